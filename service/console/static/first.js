// Runs before anything is drawn, so that the colours never flash into others: those chosen here, else the system's.
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
