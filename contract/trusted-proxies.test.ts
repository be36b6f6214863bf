import { describe, expect, it } from 'vitest'
import { parseAddress, parseTrustedProxies } from './trusted-proxies.ts'

const TRUSTED = '10.0.0.0/8, 192.0.2.7 2001:db8:1::/48,::1'

describe('the client address behind declared proxies', () => {
  const proxies = parseTrustedProxies(TRUSTED)
  it.each<[peer: string, headers: Record<string, string>, client: string]>([
    // Nothing that a stranger writes is believed.
    ['203.0.113.9', { 'x-forwarded-for': '198.51.100.1' }, '203.0.113.9'],
    ['192.0.2.8', { 'x-forwarded-for': '198.51.100.1' }, '192.0.2.8'],
    ['10.1.2.3', {}, '10.1.2.3'],
    ['10.1.2.3', { 'x-forwarded-for': '198.51.100.1' }, '198.51.100.1'],
    ['::ffff:10.1.2.3', { 'x-forwarded-for': '198.51.100.1' }, '198.51.100.1'],
    ['10.1.2.3', { 'x-forwarded-for': 'made-up, 198.51.100.1, 10.9.9.9' }, '198.51.100.1'],
    ['10.1.2.3', { 'x-forwarded-for': '127.0.0.1, 198.51.100.1,192.0.2.7' }, '198.51.100.1'],
    ['10.1.2.3', { 'x-forwarded-for': '10.0.0.1, 10.0.0.2' }, '10.0.0.1'],
    ['10.1.2.3', { 'x-forwarded-for': '198.51.100.1, unknown' }, '10.1.2.3'],
    ['10.1.2.3', { 'x-forwarded-for': '' }, '10.1.2.3'],
    ['10.1.2.3', { 'x-forwarded-for': '198.51.100.1:4711' }, '198.51.100.1'],
    ['::1', { 'x-forwarded-for': '[2001:db8:2::5]:80' }, '2001:db8:2::5'],
    ['2001:db8:1::9', { forwarded: 'for=198.51.100.1;proto=https' }, '198.51.100.1'],
    [
      '10.1.2.3',
      { forwarded: 'for=x, by=a;For="[2001:db8:2::5]:80", for=10.0.0.1' },
      '2001:db8:2::5',
    ],
    ['10.1.2.3', { forwarded: 'for=_hidden' }, '10.1.2.3'],
    ['10.1.2.3', { forwarded: 'for=8.8.8.8', 'x-forwarded-for': '198.51.100.1' }, '198.51.100.1'],
  ])('of a peer %s with %j is %s', (peer, headers, client) => {
    expect(proxies.clientAddress(peer, new Headers(headers))).toBe(client)
  })
})

it.each([
  ['x-forwarded-for', (hop: string) => hop],
  ['forwarded', (hop: string) => `for=${hop}`],
])('a header %s with more hops than are read gives the last ones', (name, written) => {
  const proxies = parseTrustedProxies('10.0.0.0/8')
  const clientOf = (hops: readonly string[]) =>
    proxies.clientAddress('10.1.2.3', new Headers({ [name]: hops.map(written).join(', ') }))
  const madeUp = Array<string>(100).fill('203.0.113.66')
  expect(clientOf([...madeUp, '198.51.100.1', '10.9.9.9'])).toBe('198.51.100.1')
  const trusted = Array.from({ length: 40 }, (_, i) => `10.0.0.${i}`)
  expect(clientOf([...madeUp, '198.51.100.1', ...trusted.slice(9)])).toBe('198.51.100.1')
  expect(clientOf([...madeUp, '198.51.100.1', ...trusted.slice(8)])).toBe('10.0.0.8')
})

it('no forwarding header is read while no proxy is declared', () => {
  for (const list of [undefined, '', ' , ']) {
    const proxies = parseTrustedProxies(list)
    expect(proxies.isEmpty).toBe(true)
    const headers = new Headers({ 'x-forwarded-for': '198.51.100.1', forwarded: 'for=8.8.8.8' })
    expect(proxies.clientAddress('127.0.0.1', headers)).toBe('127.0.0.1')
    expect(proxies.clientAddress(undefined, headers)).toBeUndefined()
  }
})

it.each([
  '10.0.0.0/33',
  '10.0.0/8',
  'proxy',
  '010.0.0.1',
  '::/129',
  '1::2::3',
  '10.0.0.0/8/8',
  '10.0.0.0/',
])('the list of proxies refuses %s', (entry) => {
  expect(() => parseTrustedProxies(`10.0.0.0/8, ${entry}`)).toThrow('SLUICE_TRUSTED_PROXIES')
})

it('a block of any length holds exactly its addresses', () => {
  const is = (block: string, address: string) => parseTrustedProxies(block).isTrusted(address)
  expect(is('0.0.0.0/0', '255.255.255.255')).toBe(true)
  expect(is('0.0.0.0/0', '2001:db8::1')).toBe(false)
  expect(is('::/0', '2001:db8::1')).toBe(true)
  expect(is('172.16.0.0/12', '172.31.255.255')).toBe(true)
  expect(is('172.16.0.0/12', '172.32.0.0')).toBe(false)
  expect(is('2001:db8::/33', '2001:db8:7fff::')).toBe(true)
  expect(is('2001:db8::/33', '2001:db8:8000::')).toBe(false)
  expect(is('192.0.2.1', '::ffff:192.0.2.1')).toBe(true)
  expect(is('::1', '[::1]')).toBe(true)
  expect(is('fe80::/10', 'fe80::1%eth0')).toBe(true)
})

it.each([
  '',
  ':',
  ':::',
  '1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:8:9',
  '1.2.3',
  '256.1.1.1',
  '::1.2.3',
  'g::1',
  '1:2:3:4:5:6:7::8',
])('%j is not an address', (text) => {
  expect(parseAddress(text)).toBeUndefined()
})
