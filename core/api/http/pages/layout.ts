/** A small page of core itself, in the dashboard's colours; it works while the dashboard is not built. */
export function pageOf(title: string, body: string, script?: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${title} · Sluice</title>
<style>${STYLE}</style>
<main>
${body}
</main>
${script === undefined ? '' : `<script src="${script}"></script>\n`}</html>
`
}

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 "Inter Variable", system-ui, sans-serif; color: light-dark(#12181a, #e7eded); background: light-dark(#f6f8f8, #0d1112) }
body { margin: 0 }
main { box-sizing: border-box; width: min(34rem, 100% - 2rem); margin: 16vh auto 2rem; padding: 1.75rem; border: 1px solid light-dark(#e0e5e6, #263032); border-radius: 8px; background: light-dark(#ffffff, #141a1b) }
main.wide { width: min(72rem, 100% - 2rem); margin-top: 2rem }
h1 { margin: 0 0 .5rem; font-size: 1.25rem; line-height: 1.3 }
p { margin: .5rem 0; overflow-wrap: anywhere }
.brand { margin: 0 0 1.25rem; font-weight: 600; color: light-dark(#0b7a75, #2fb5ae) }
.muted { color: light-dark(#586467, #95a3a6); font-size: .875rem }
.error { color: light-dark(#b3261e, #ff8078) }
code, pre, textarea { font: .8125rem/1.5 "JetBrains Mono Variable", ui-monospace, monospace }
code { padding: .125rem .25rem; border-radius: 4px; background: light-dark(#f0f3f3, #1c2526) }
pre, textarea { box-sizing: border-box; width: 100%; margin: .25rem 0 1rem; padding: .75rem; overflow: auto; border: 1px solid light-dark(#e0e5e6, #263032); border-radius: 6px; color: inherit; background: light-dark(#f6f8f8, #0d1112) }
textarea { resize: vertical }
label { font-size: .875rem; font-weight: 500 }
button { margin: .75rem 0 .25rem; padding: .5rem 1rem; border: 0; border-radius: 6px; font: inherit; font-weight: 500; color: light-dark(#ffffff, #06201f); background: light-dark(#0b7a75, #2fb5ae); cursor: pointer }
button.secondary { color: inherit; background: light-dark(#e6ebeb, #263032) }
pre:empty { display: none }
button.method { display: block; width: 100%; margin: .5rem 0 }
input { box-sizing: border-box; width: 100%; margin: .25rem 0 .25rem; padding: .5rem .75rem; border: 1px solid light-dark(#8a979a, #5d6b6e); border-radius: 6px; font: inherit; color: inherit; background: light-dark(#ffffff, #0d1112) }
form { margin: 1rem 0 }
button:disabled { opacity: .6; cursor: default }
a { color: light-dark(#0b7a75, #2fb5ae) }
:focus-visible { outline: 2px solid light-dark(#0b7a75, #2fb5ae); outline-offset: 2px }
[hidden] { display: none }
`
