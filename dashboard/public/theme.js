try {
  const chosen = localStorage.getItem('sluice:theme')
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen
} catch {
  // Storage is disabled: the theme follows the system.
}
