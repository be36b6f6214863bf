import { looksLikeApiKey } from '../../contract/api-key.ts'
import { LIMITS } from '../../contract/limits.ts'

/** The key of a site: a domain, a website id, an app id, a measurement id. undefined for one that has none. */
export type KeyOfSite = (site: string) => string | undefined

/**
 * Keys for formats that have no place for one: `shop.example=slc_pub_…, my-app=slc_pub_…`. What stands there can be
 * read on every page of the site, so only public keys are allowed.
 * @throws when the setting is invalid
 */
export function parseSiteKeys(setting: string | undefined): KeyOfSite {
  const keys = new Map<string, string>()
  for (const entry of (setting ?? '').split(/[\s,]+/)) {
    if (entry === '') continue
    const at = entry.lastIndexOf('=')
    const [site, key] = [entry.slice(0, Math.max(at, 0)), entry.slice(at + 1)]
    if (site === '' || !looksLikeApiKey(key) || !key.startsWith('slc_pub_'))
      throw new Error('SLUICE_SITE_KEYS is a list of site=slc_pub_…, with public keys only')
    keys.set(site.toLowerCase(), key)
  }
  if (keys.size > LIMITS.siteKeysMax)
    throw new Error(
      `SLUICE_SITE_KEYS has ${keys.size} sites; at most ${LIMITS.siteKeysMax} are allowed`,
    )
  return (site) => keys.get(site.toLowerCase())
}
