import type { GroupId } from '../operation.ts'

export interface Snippet {
  title: string
  /** What runs it as it stands: a shell, Node with the packages that it imports, or a page. */
  runs: 'shell' | 'node' | 'page'
  /** `$URL` and `$KEY` stand for the edge and the API key. */
  lines: string
}

/** How to send an event with each client library; the tests run every one. */
export const SNIPPETS: Partial<Record<GroupId, readonly Snippet[]>> = {
  sluice: [
    {
      title: 'JavaScript, anywhere',
      runs: 'node',
      lines: `await fetch('$URL/v1/events', {
  method: 'POST',
  headers: {
    Authorization: 'Bearer $KEY',
    'Content-Type': 'application/json',
  },
  body: JSON.stringify({ event: 'page_view', user_id: 'u123', page: '/pricing' }),
})`,
    },
  ],
  ndjson: [
    {
      title: 'A file, as it is; gzip works too',
      runs: 'shell',
      lines: `curl '$URL/v1/events' -H 'Authorization: Bearer $KEY' \\
  -H 'Content-Type: application/x-ndjson' --data-binary @events.ndjson`,
    },
  ],
  cloudevents: [
    {
      title: 'The package cloudevents',
      runs: 'node',
      lines: `import { CloudEvent, HTTP } from 'cloudevents'

const event = new CloudEvent({
  type: 'com.example.order',
  source: '/shop',
  data: { total: 49.9 },
})
const { headers, body } = HTTP.binary(event)
await fetch('$URL/v1/events', {
  method: 'POST',
  headers: { ...headers, Authorization: 'Bearer $KEY' },
  body,
})`,
    },
  ],
  segment: [
    {
      title: 'The package @segment/analytics-node',
      runs: 'node',
      lines: `import { Analytics } from '@segment/analytics-node'

const analytics = new Analytics({
  writeKey: '$KEY',
  host: '$URL',
})
analytics.track({ userId: 'u123', event: 'Signed Up', properties: { plan: 'team' } })
await analytics.closeAndFlush()`,
    },
    {
      title: 'The package @segment/analytics-next, in a page, with a public key',
      runs: 'page',
      lines: `const analytics = AnalyticsBrowser.load({
  writeKey: '$KEY',
  cdnURL: '$URL',
})
analytics.page('Pricing')`,
    },
  ],
  posthog: [
    {
      title: 'The package posthog-node',
      runs: 'node',
      lines: `import { PostHog } from 'posthog-node'

const posthog = new PostHog('$KEY', { host: '$URL' })
posthog.capture({ distinctId: 'u123', event: 'signup', properties: { plan: 'team' } })
await posthog.shutdown()`,
    },
    {
      title: 'The package posthog-js, in a page, with a public key',
      runs: 'page',
      lines: `posthog.init('$KEY', { api_host: '$URL' })
posthog.capture('signup', { plan: 'team' })`,
    },
  ],
  browser: [
    {
      title: 'In a page, with a public key; page views count by themselves',
      runs: 'page',
      lines: `<script>window.sluice ||= (...call) => (sluice.q ||= []).push(call)</script>
<script async src="$URL/sluice.js" data-key="$KEY"></script>
<button onclick="sluice('signup', { plan: 'team' })">Sign up</button>`,
    },
    {
      title: 'A beacon, when a page is left',
      runs: 'page',
      lines: `navigator.sendBeacon('$URL/v1/events?key=$KEY', JSON.stringify({ event: 'page_left' }))`,
    },
  ],
}
