/**
 * Fills in the key, sends the examples and shows their responses. Plain text of a script, because four
 * tools build the edge and each would rewrite a function's source differently.
 */
export const SCRIPT = `'use strict';
(() => {
const $ = (selector, within = document) => [...within.querySelectorAll(selector)];
const input = document.getElementById('key');
const status = document.getElementById('status');
const STORED_KEY = 'sluice-docs-key';
const quote = (text) => text.replaceAll("'", "'\\\\''");
const make = (name, text, className) => {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
};

function fill() {
  const key = input.value.trim();
  for (const span of $('[data-is=key]')) span.textContent = key || '$KEY';
  for (const card of $('[data-public]')) {
    const fits = key === '' || key.startsWith('slc_pub_');
    card.querySelector('.send .note').textContent = fits ? '' :
      'Takes a public key (slc_pub_…): npm run sluice -- key create --kind pub';
  }
}
try {
  // Stored for this tab only.
  input.value = sessionStorage.getItem(STORED_KEY) || input.value;
} catch {}
input.addEventListener('input', () => {
  try { sessionStorage.setItem(STORED_KEY, input.value.trim()); } catch {}
  fill();
});
for (const span of $('[data-is=url]')) span.textContent = location.origin;
fill();

for (const button of $('.copy')) button.addEventListener('click', async () => {
  const text = button.parentElement.querySelector('code').textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
  } catch {
    getSelection().selectAllChildren(button.parentElement.querySelector('code'));
    button.textContent = 'Press Ctrl+C';
  }
  setTimeout(() => { button.textContent = 'Copy'; }, 1500);
});

for (const card of $('.try')) {
  const body = card.querySelector('textarea');
  const shown = card.querySelector('[data-is=body]');
  body?.addEventListener('input', () => {
    shown.textContent = quote(body.value).replaceAll('$KEY', input.value.trim() || '$KEY');
  });
  card.querySelector('.send button').addEventListener('click', () => send(card, body));
}

async function send(card, body) {
  const button = card.querySelector('.send button');
  const key = input.value.trim();
  const sent = card.dataset.request + (body ? body.value : '');
  if (/\\$(KEY|BASIC)/.test(sent) && key === '') {
    card.querySelector('.send .note').textContent = 'Put your API key in the field at the top first.';
    input.focus();
    return;
  }
  const fillIn = (text) => text.replaceAll('$KEY', key).replaceAll('$BASIC', btoa(key + ':'));
  const request = JSON.parse(card.dataset.request);
  const headers = new Headers();
  try {
    for (const [name, value] of Object.entries(request.headers)) headers.set(name, fillIn(value));
  } catch {
    card.querySelector('.send .note').textContent = 'The key contains characters that are not valid in a key.';
    return;
  }
  button.disabled = true;
  const begun = performance.now();
  try {
    const response = await fetch(fillIn(request.path), {
      method: request.method,
      headers,
      body: body ? fillIn(body.value) : undefined,
      cache: 'no-store',
      credentials: 'omit',
      signal: AbortSignal.timeout(15000),
    });
    const bytes = await response.arrayBuffer();
    show(card, response, bytes, performance.now() - begun);
  } catch (error) {
    fail(card, error.name === 'TimeoutError' ? 'No answer within 15 s.' : 'No answer: is the edge still running?');
  } finally {
    button.disabled = false;
  }
}

function show(card, response, bytes, ms) {
  const answer = card.querySelector('.answer');
  const head = make('h4', response.status + ' ' + (WORDS[response.status] || ''), response.ok ? 'good' : 'wrong');
  head.append(make('span', Math.round(ms) + ' ms'));
  const heads = make('details', undefined, 'heads');
  heads.open = true;
  heads.append(make('summary', 'Headers'));
  const list = make('dl');
  for (const [name, value] of response.headers) list.append(make('dt', name), make('dd', value));
  heads.append(list);
  answer.replaceChildren(head);
  if (bytes.byteLength > 0) {
    const pre = make('pre');
    pre.tabIndex = 0;
    pre.append(make('code', readable(response.headers.get('content-type') || '', bytes)));
    answer.append(pre);
  }
  answer.append(heads);
  answer.hidden = false;
  status.textContent = 'Answered ' + response.status;
}

function fail(card, why) {
  const answer = card.querySelector('.answer');
  answer.replaceChildren(make('h4', why, 'wrong'));
  answer.hidden = false;
  status.textContent = why;
}

function readable(type, bytes) {
  if (/^image/.test(type)) return bytes.byteLength + ' bytes of ' + type;
  const text = new TextDecoder().decode(bytes);
  if (!/json/.test(type)) return text.length > 4000 ? text.slice(0, 4000) + '\\n… ' + (text.length - 4000) + ' more characters' : text;
  try {
    const formatted = JSON.stringify(JSON.parse(text), null, 2);
    return formatted.length > 20000 ? formatted.slice(0, 20000) + '\\n…' : formatted;
  } catch { return text; }
}

const WORDS = { 200: 'OK', 202: 'Accepted', 204: 'No Content', 207: 'Multi-Status', 400: 'Bad Request', 401: 'Unauthorized', 403: 'Forbidden', 404: 'Not Found', 405: 'Method Not Allowed', 408: 'Request Timeout', 409: 'Conflict', 413: 'Content Too Large', 415: 'Unsupported Media Type', 422: 'Unprocessable Content', 429: 'Too Many Requests', 500: 'Internal Server Error', 503: 'Service Unavailable' };
})();
`
