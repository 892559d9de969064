const tip = document.getElementById("tip");
function show(event) {
    const mark = event.target.closest("[data-tip]");
    tip.hidden = !mark;
    if (!mark)
        return;
    tip.textContent = mark.dataset.tip;
    const x = Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 6);
    const above = event.clientY - tip.offsetHeight - 12;
    tip.style.left = Math.max(6, x) + "px";
    tip.style.top = (above > 4 ? above : event.clientY + 16) + "px";
}
for (const name of ["pointermove", "pointerdown"])
    document.addEventListener(name, show);
const sizes = new ResizeObserver(entries => {
    for (const { target } of entries)
        target.classList.toggle("more", target.scrollWidth > target.clientWidth);
});
for (const table of document.querySelectorAll(".scroll"))
    sizes.observe(table);
