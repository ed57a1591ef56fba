// Why a unit's maps are missing, from the server.
"use strict";
document.getElementById("exemplars").addEventListener("missing", async (event) => {
  const answer = await fetch(event.currentTarget.dataset.maps, { headers: { accept: "application/json" } });
  if (!answer.ok) {
    document.getElementById("maps-state").textContent = (await answer.json()).message;
  }
});
