// Show the server's reason why a unit's maps are missing.
"use strict";
document.getElementById("exemplars")?.addEventListener("missing", async (event) => {
  const response = await fetch(event.currentTarget.dataset.maps, { headers: { accept: "application/json" } });
  if (!response.ok) {
    document.getElementById("maps-state").textContent = (await response.json()).message;
  }
});
