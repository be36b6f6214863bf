import { ERRORS, ITEM_ERRORS } from '../../../contract/errors.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { GROUPS } from '../components.ts'
import type { GroupId, Operation } from '../operation.ts'
import { OPERATIONS } from '../operations.ts'
import { exampleCard } from './example.ts'
import { code, html } from './html.ts'
import { SCRIPT } from './script.ts'
import { SNIPPETS } from './snippets.ts'
import { STYLE } from './style.ts'

/**
 * The page of `GET /docs`: every ingest format, generated from the same table as the OpenAPI document.
 * @param key filled in where the edge has one for this page
 */
export function docsPage(key = ''): string {
  const groups = Object.entries(GROUPS) as [GroupId, (typeof GROUPS)[GroupId]][]
  const shown = groups.filter(([id]) => operationsOf(id).length > 0)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Sending events to Sluice</title>
<link rel="icon" href="${ICON}">
<style>${STYLE}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the ingest formats</a>
<header>
<p class="brand"><img src="${ICON}" alt="" width="20" height="20"> Sluice</p>
<div class="key">
<label for="key">API key</label>
<input id="key" value="${html(key)}" placeholder="slc_…" autocomplete="off" autocapitalize="off" spellcheck="false" aria-describedby="key-hint">
<span id="key-hint">${key ? 'This machine’s key; it can only write.' : 'Stays in this tab.'}</span>
</div>
</header>
<nav aria-label="Ingest formats">
<ul>
${shown.map(([id, { title }]) => `<li><a href="#${id}">${html(title)}</a></li>`).join('\n')}
<li><a href="#errors">Errors</a></li>
<li><a href="#limits">Limits</a></li>
<li><a href="/openapi.json">openapi.json</a></li>
</ul>
</nav>
<main id="main" tabindex="-1">
<h1>Sending events</h1>
<p class="lead">Every request on this page is one of Sluice’s own tests. Send it, change it, or copy its curl command.</p>
<noscript><p class="note">Without JavaScript nothing can be sent from here; replace <code>$KEY</code> in the curl commands by your key.</p></noscript>
${shown.map(([id, group]) => section(id, group.title, group.description, groupBody(id))).join('\n')}
${section('errors', 'Errors', 'Every error is application/problem+json with a code to branch on. A retryable request may succeed when sent again.', errorTables())}
${section('limits', 'Limits', 'What exceeds a limit is refused with its error, never truncated.', limitsTable())}
</main>
<div id="status" class="unseen" aria-live="polite"></div>
<script>${SCRIPT}</script>
</body>
</html>
`
}

const ICON = `data:image/svg+xml,${encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 20"><rect width="20" height="20" rx="5" fill="#0b7a75"/><path d="M4 7q3-3 6 0t6 0M4 12q3-3 6 0t6 0" fill="none" stroke="#fff" stroke-width="2" stroke-linecap="round"/></svg>',
)}`

/** With those of their examples that belong there. Groups share paths. */
function operationsOf(id: GroupId): Operation[] {
  return OPERATIONS.map((operation) => ({
    ...operation,
    examples: operation.examples.filter(({ group = operation.group }) => group === id),
  })).filter(({ group, examples }) => group === id || examples.length > 0)
}

function section(id: string, title: string, lead: string, body: string): string {
  return `<section id="${id}" aria-labelledby="${id}-title">
<h2 id="${id}-title">${html(title)}</h2>
<p>${html(lead)}</p>
${body}
</section>`
}

function groupBody(id: GroupId): string {
  const snippets = (SNIPPETS[id] ?? []).map(
    ({ title, lines }) => `<figure><figcaption>${html(title)}</figcaption>${code(lines)}</figure>`,
  )
  const operations = operationsOf(id)
  const withExamples = operations.filter(({ examples }) => examples.length > 0 && id !== 'service')
  const others = operations.filter((operation) => !withExamples.includes(operation))
  return [
    ...snippets,
    ...withExamples.map((operation, index) =>
      operationSection(operation, operation.group === id, index === 0),
    ),
    ...(others.length > 0 ? [`<ul class="also">${others.map(line).join('\n')}</ul>`] : []),
  ].join('\n')
}

/** @param own whether this section describes it, and not only uses it @param open its first example */
function operationSection(operation: Operation, own: boolean, open: boolean): string {
  const { method, paths, summary, description, examples } = operation
  const [first = '', ...others] = paths
  const text = own && description ? `<p>${inline(description)}</p>` : ''
  const names = others.length > 2 ? [first] : paths
  const also =
    own && others.length > 2
      ? `<p class="muted">Also at ${others.map((path) => `<code>${html(path)}</code>`).join(', ')}.</p>`
      : ''
  const cards = examples.map((example, index) =>
    exampleCard(example, { method, path: first, open: open && index === 0 }),
  )
  return `<h3><span class="method">${method.toUpperCase()}</span> ${names.map((path) => `<code>${html(path)}</code>`).join(' ')}${own ? ` <span class="summary">${html(summary)}</span>` : ''}</h3>
${text}${also}${cards.join('\n')}`
}

/** For operations without examples. */
function line({ method, paths, summary, responses }: Operation): string {
  const names = paths.map((path) => {
    const name = `<code>${html(path)}</code>`
    return method === 'get' && !path.includes('{') ? `<a href="${html(path)}">${name}</a>` : name
  })
  const [response] = Object.values(responses)
  return `<li><span class="method">${method.toUpperCase()}</span> ${names.join(', ')} <span class="summary">${html(summary)}. ${html(response?.description ?? '')}</span></li>`
}

/** `code` between backticks is all the Markdown that the table's sentences use. */
function inline(text: string): string {
  return html(text).replace(/`([^`]+)`/g, '<code>$1</code>')
}

function errorTables(): string {
  const rows = Object.entries(ERRORS).map(
    ([name, { status, retryable, message }]) =>
      `<tr><td class="figure">${status}</td><th scope="row"><code>${name}</code></th><td>${retryable ? 'yes' : 'no'}</td><td>${html(message)}</td></tr>`,
  )
  const items = Object.entries(ITEM_ERRORS).map(
    ([name, message]) =>
      `<tr><th scope="row"><code>${name}</code></th><td>${html(message)}</td></tr>`,
  )
  return `<div class="wide" role="region" aria-label="Codes of a request" tabindex="0"><table>
<thead><tr><th scope="col">Status</th><th scope="col">Code</th><th scope="col">Retryable</th><th scope="col">Message</th></tr></thead>
<tbody>${rows.join('\n')}</tbody></table></div>
<h3>Codes of one event</h3>
<p>In <code>errors</code>, with the event’s <code>index</code> and a JSON <code>pointer</code> into it; for clients that drop on a 4xx, the reason of the dead letter.</p>
<div class="wide" role="region" aria-label="Codes of one event" tabindex="0"><table>
<thead><tr><th scope="col">Code</th><th scope="col">Meaning</th></tr></thead>
<tbody>${items.join('\n')}</tbody></table></div>`
}

function limitsTable(): string {
  const many = (number: number) => number.toLocaleString('en')
  const rows: [string, string][] = [
    ['Events in a batch', many(LIMITS.batchEventsMax)],
    ['A body, decoded', `${LIMITS.bodyBytesMax / 1024 ** 2} MiB`],
    ['A stream of lines, decoded, unless set', `${LIMITS.ndjsonBytesMax / 1024 ** 2} MiB`],
    ['A line of it', `${LIMITS.ndjsonLineBytesMax / 1024} KiB`],
    ['An event', `${LIMITS.eventBytesMax / 1024} KiB`],
    ['Keys in an event, on all levels', many(LIMITS.propertiesKeysMax)],
    ['Levels of nesting', many(LIMITS.propertiesDepthMax)],
    ['A key', `${LIMITS.propertyKeyCharsMax} characters`],
    ['An event’s name', `${LIMITS.eventNameCharsMax} characters`],
    ['An event’s id', `${LIMITS.eventIdCharsMax} visible ASCII characters`],
    ['Actor, session, source', `${LIMITS.labelCharsMax} characters`],
    ['Time in the future, at most', `${LIMITS.futureSecondsMax / 60} min`],
    ['Time for a body to arrive', `${LIMITS.bodyReadMsMax / 1000} s`],
    ['The same event id counts once within', `${24 * LIMITS.dedupeDays} hours`],
    ['An Idempotency-Key is remembered for', `${LIMITS.idempotencyResultMs / 60_000} min`],
    ['Events a minute and key, unless set', many(LIMITS.keyEventsPerMinuteDefault)],
    ['Events a minute and tenant, unless set', many(LIMITS.tenantEventsPerMinuteDefault)],
  ]
  return `<div class="wide" role="region" aria-label="Table of limits" tabindex="0"><table><tbody>${rows
    .map(
      ([name, most]) =>
        `<tr><th scope="row">${html(name)}</th><td class="figure">${html(most)}</td></tr>`,
    )
    .join('\n')}</tbody></table></div>`
}
