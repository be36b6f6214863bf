import type { GroupId } from '../openapi/operation.ts'

export interface Snippet {
  title: string
  /** What runs it: `node` as it stands, with the packages that it imports, or a page. */
  runs: 'node' | 'page'
  /** `$URL` and `$KEY` stand for the edge and the API key. */
  lines: string
}

/** The same in the words of each client's own library; the tests run every one. */
export const SNIPPETS: Partial<Record<GroupId, readonly Snippet[]>> = {
  sluice: [
    {
      title: 'JavaScript, anywhere',
      runs: 'node',
      lines: `await fetch('$URL/v1/events', {
  method: 'POST',
  headers: { Authorization: 'Bearer $KEY', 'Content-Type': 'application/json' },
  body: JSON.stringify({ event: 'page_view', user_id: 'u123', page: '/pricing' }),
})`,
    },
  ],
}
