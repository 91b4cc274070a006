/* What the theme leaves out for those who read by ear or by keyboard, wherever it adds code later on. */
"use strict";
function tidy() {
    document.querySelectorAll(".md-code__nav:not([aria-label])").forEach(nav => {
        nav.setAttribute("aria-label", "Buttons of " + nav.closest("pre").id.replace("__", ""));
    });
    document.querySelectorAll("pre > code:not([tabindex]), .md-typeset__scrollwrap:not([tabindex])").forEach(box => {
        if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    });
}
new MutationObserver(tidy).observe(document.body, { childList: true, subtree: true, attributeFilter: ["tabindex"] });
addEventListener("resize", tidy);
tidy();
