// Runs before the first paint, so that the colour scheme never flashes: the one chosen here, else the system's.
{
  const root = document.documentElement;
  const isDark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => {
    root.dataset.scheme = localStorage.getItem("whopays.scheme") ?? (isDark.matches ? "dark" : "light");
    document.dispatchEvent(new CustomEvent("scheme"));
  };
  isDark.addEventListener("change", follow);
  follow();
}
