import type { Example } from '../operation.ts'
import { html, withPlaceholders } from './html.ts'

/** One request: its curl command, the body to change, a button that sends it, and the response. */
export function exampleCard(
  { title, path: ownPath, headers = {}, body, status, response, needs }: Example,
  { method, path: operationPath, open }: { method: string; path: string; open: boolean },
): string {
  const path = ownPath ?? operationPath
  const sent = body === undefined ? undefined : format(body)
  const request = JSON.stringify({ method: method.toUpperCase(), path, headers })
  return `<details class="try"${open ? ' open' : ''} data-request="${html(request)}"${needs?.kind === 'pub' ? ' data-public' : ''}>
<summary>${html(title)}<span class="status${status < 400 ? '' : ' bad'}">${status}</span></summary>
<div class="code"><pre tabindex="0"><code>${curl(method, path, headers, sent)}</code></pre><button type="button" class="copy">Copy</button></div>
${sent === undefined ? '' : `<details class="body"><summary>Change the body</summary><textarea aria-label="Body of: ${html(title)}" rows="${Math.min(14, sent.split('\n').length + 1)}" spellcheck="false">${html(sent)}</textarea></details>`}
<div class="send"><button type="button">Send</button><span class="note"></span></div>
<div class="answer" hidden></div>
${response === undefined ? '' : `<details class="expected"><summary>Expected response</summary><pre tabindex="0"><code>${html(typeof response === 'string' ? response : JSON.stringify(response, null, 2))}</code></pre></details>`}
</details>`
}

/** Short ones on one line. */
function format(body: unknown): string {
  if (typeof body === 'string') return body
  const line = JSON.stringify(body)
  return line.length > 64 ? JSON.stringify(body, null, 2) : line
}

function curl(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: string | undefined,
): string {
  const quoted = (text: string) => `'${withPlaceholders(text.replaceAll("'", "'\\''"))}'`
  const parts = [`curl ${quoted(`$URL${path}`)}`]
  if (method !== 'get' && body === undefined) parts.push(`-X ${method.toUpperCase()}`)
  for (const [name, value] of Object.entries(headers))
    parts.push(
      value === 'Basic $BASIC' ? `-u ${quoted('$KEY:')}` : `-H ${quoted(`${name}: ${value}`)}`,
    )
  if (body !== undefined)
    parts.push(
      `--data-binary '<span data-is="body">${withPlaceholders(body.replaceAll("'", "'\\''"))}</span>'`,
    )
  return parts.join(' \\\n  ')
}
