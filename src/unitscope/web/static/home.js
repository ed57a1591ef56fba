// The strip of layers: bar heights are logarithmic, since layers have from 3 to thousands of units.
"use strict";
const bars = [...document.querySelectorAll(".strip a")];
const widths = bars.map((bar) => Math.log2(1 + Number(bar.dataset.units)));
const most = Math.max(...widths);
bars.forEach((bar, index) => {
  bar.style.setProperty("--height", Math.max(6, (100 * widths[index]) / most).toFixed(1));
  bar.style.setProperty("--zero", (100 * Number(bar.dataset.zero)).toFixed(1));
});
