import { expect, test } from 'vitest'
import { mintApiKey } from '../../contract/api-key.ts'
import { LIMITS } from '../../contract/limits.ts'
import { parseSiteKeys } from './site-keys.ts'

const [shop, app] = [mintApiKey('pub'), mintApiKey('pub')]

test('SLUICE_SITE_KEYS gives each site its key, in lower or upper case', () => {
  const keyOf = parseSiteKeys(`shop.example=${shop}, My-App=${app}\n`)
  expect(['shop.example', 'SHOP.example', 'my-app', 'other', ''].map(keyOf)).toEqual([
    shop,
    shop,
    app,
    undefined,
    undefined,
  ])
  expect(parseSiteKeys(undefined)('shop.example')).toBeUndefined()
})

test.each([
  'shop.example',
  '=',
  `=${shop}`,
  'shop.example=slc_pub_nonsense',
  // Anyone who sees the site could use it.
  `shop.example=${mintApiKey('sec')}`,
])('SLUICE_SITE_KEYS must be sites with public keys: %#', (setting) => {
  expect(() => parseSiteKeys(setting)).toThrow('public keys only')
})

test('SLUICE_SITE_KEYS has a limit', () => {
  const sites = Array.from({ length: LIMITS.siteKeysMax + 1 }, (_, i) => `site-${i}=${shop}`)
  expect(() => parseSiteKeys(sites.join())).toThrow('at most')
})
