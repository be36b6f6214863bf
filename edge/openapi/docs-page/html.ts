/** For text and for attributes in double quotes. */
export function html(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)
}

/** Code to be copied. `$KEY` and `$URL` are filled in by the page's script. */
export function code(lines: string): string {
  return `<div class="code"><pre tabindex="0"><code>${withPlaceholders(lines)}</code></pre><button type="button" class="copy">Copy</button></div>`
}

/** Escaped, with elements for what the script fills in. */
export function withPlaceholders(text: string): string {
  return html(text)
    .replaceAll('$KEY', '<span data-is="key">$KEY</span>')
    .replaceAll('$URL', '<span data-is="url">$URL</span>')
}
