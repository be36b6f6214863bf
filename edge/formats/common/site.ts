import type { Fields } from './add-members.ts'

export interface Site {
  /** For the envelope of the request. */
  sender: { apiKey?: string; site?: string }
  /** The site as a member of the event; nothing where it is the key, which is not kept. */
  kept(name: string): Fields
}

/** What formats without a place for a key have instead: a domain, a website id, an app id. It may be the key itself. */
export function siteOf(sent: unknown): Site {
  if (typeof sent !== 'string')
    return { sender: {}, kept: (name) => (sent === undefined ? {} : { [name]: sent }) }
  if (sent.startsWith('slc_')) return { sender: { apiKey: sent }, kept: () => ({}) }
  return { sender: { site: sent }, kept: (name) => ({ [name]: sent }) }
}
