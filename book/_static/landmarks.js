// Name what the theme leaves without a name for screen readers: the logo and the folded lists.
document.addEventListener("DOMContentLoaded", () => {
  const logo = document.querySelector(".bd-sidebar-primary .navbar-brand");
  logo?.parentElement.setAttribute("role", "navigation");
  logo?.parentElement.setAttribute("aria-label", "Start page");
  for (const summary of document.querySelectorAll(".bd-sidebar-primary summary")) {
    const link = summary.closest("li").querySelector("a");
    summary.setAttribute("aria-label", `Pages of ${link.textContent.trim()}`);
  }
});
