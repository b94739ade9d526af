// Dark, light or as the system says. Kept in the browser's storage, applied as an attribute that colors.css reads.

const ORDER = ["system", "light", "dark"];
const KEY = "ttg-view-theme";

export function getTheme() {
  const kept = localStorage.getItem(KEY);
  return ORDER.includes(kept) ? kept : "system";
}

export function applyTheme() {
  const theme = getTheme();
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** system → light → dark → system; answers the new one. */
export function turnTheme() {
  const next = ORDER[(ORDER.indexOf(getTheme()) + 1) % ORDER.length];
  localStorage.setItem(KEY, next);
  applyTheme();
  return next;
}
