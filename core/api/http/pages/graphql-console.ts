import { pageOf } from './layout.ts'

/** A plain console for people who are signed in. GraphiQL itself would need scripts of megabytes, or a foreign host's. */
export const CONSOLE_PAGE = pageOf(
  'GraphQL',
  `<p class="brand">Sluice</p>
<h1>GraphQL</h1>
<p class="muted">Queries run with the rights of your session. Ctrl+Enter runs the query; <a href="/">open the dashboard</a>.</p>
<label for="query">Query</label>
<textarea id="query" rows="12" spellcheck="false">{
  viewer { kind tenants { id hasEvents } }
  events(first: 5) { edges { node { id name occurredAt properties } } }
}</textarea>
<label for="variables">Variables (JSON)</label>
<textarea id="variables" rows="3" spellcheck="false">{}</textarea>
<button id="run" type="button">Run</button>
<button id="schema" type="button" class="secondary">List the fields</button>
<p class="muted" id="state" role="status"></p>
<pre id="result" tabindex="0" aria-label="Result"></pre>`,
  '/graphql-console.js',
).replace('<main>', '<main class="wide">')

export const CONSOLE_SCRIPT = `'use strict'
const element = (id) => document.getElementById(id)
const FIELDS = '{ __schema { queryType { fields { name description args { name type { name kind ofType { name } } } } } } }'

async function run(query, variables) {
  const began = performance.now()
  element('state').textContent = 'Running …'
  try {
    const response = await fetch('/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-graphql-yoga-csrf': 'sluice' },
      body: JSON.stringify({ query, variables }),
    })
    element('result').textContent = JSON.stringify(await response.json(), null, 2)
    element('state').textContent = 'Status ' + response.status + ', ' + Math.round(performance.now() - began) + ' ms'
  } catch {
    element('state').textContent = 'Sluice cannot be reached.'
  }
}

function runQuery() {
  let variables
  try {
    variables = JSON.parse(element('variables').value || '{}')
  } catch {
    element('state').textContent = 'The variables are not valid JSON.'
    return
  }
  run(element('query').value, variables)
}

element('run').addEventListener('click', runQuery)
element('schema').addEventListener('click', () => run(FIELDS, {}))
document.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) runQuery()
})
`

export const CONSOLE_SIGNED_OUT_PAGE = pageOf(
  'Sign in',
  `<p class="brand">Sluice</p>
<h1>Sign in to use GraphQL here</h1>
<p><code>npm run sluice -- status</code>, on the machine where Sluice runs, prints a link that signs in this browser.</p>
<p>Programs send an API key with the scope read:</p>
<pre>curl http://127.0.0.1:4000/graphql -H "Authorization: Bearer slc_sec_…" \\
  -H "Content-Type: application/json" -d '{"query": "{ viewer { kind } }"}'</pre>`,
)
