import { expect, test } from 'vitest'
import { isCleartextBeyondPrivate, isPrivateHost } from './cleartext.ts'

test.each([
  'http://sluice.example.com/gateway',
  'http://8.8.8.8/',
  'http://134744072/',
  'http://[2001:db8::1]/',
  'http://[::ffff:8.8.8.8]/',
  'http://172.15.255.255/',
  'http://172.32.0.1/',
  'http://192.167.1.1/',
  'http://192.169.1.1/',
  'http://169.253.1.1/',
  'http://9.255.255.255/',
  'http://11.0.0.1/',
  'http://[fbff::1]/',
  'http://[fe7f::1]/',
  'http://[fec0::1]/',
  'http://localhost.example.com/',
  'http://10.0.0.1.example.com/',
  'postgres://u:p@db.example.com/sluice',
  'postgres://u:p@db.example.com/sluice?sslmode=disable',
  'postgres://u:p@db.example.com/sluice?sslmode=no-verify',
  'postgres://u:p@db.example.com/sluice?sslmode=require&uselibpqcompat=true',
  'postgres://u:p@localhost/sluice?host=db.example.com',
  'postgres://u:p@134744072/sluice',
  'postgres://u:p@localhost/sluice?host=localhost&host=db.example.com',
  'redis://u:p@redis.example.com:6379',
  'kafka://kafka.example.com:9092',
  'host.example.com:6379',
  'no URL',
])('%s is clear text on a network that others can read', (url) => {
  expect(isCleartextBeyondPrivate(url)).toBe(true)
})

test.each([
  'https://sluice.example.com',
  'http://127.0.0.1:4000/gateway',
  'http://127.9.9.9',
  'http://localhost:4000',
  'http://[::1]:4000/redis',
  'http://core:4000/gateway',
  'http://core.sluice.svc.cluster.local',
  'http://host.docker.internal:4000',
  'http://10.255.255.255',
  'http://172.16.0.0',
  'http://172.31.255.255',
  'http://192.168.1.7',
  'http://169.254.0.1',
  'http://[fc00::1]/',
  'http://[fe80::1]/',
  'http://[febf::1]/',
  'http://[fd00::7]/',
  'http://[::ffff:10.0.0.1]/',
  'postgres://u:p@postgres:5432/sluice',
  'postgres://u:p@127.0.0.1:5432/sluice',
  'postgresql://u:p@db.example.com/sluice?sslmode=verify-full',
  'postgres://u:p@db.example.com/sluice?sslmode=require',
  'postgres://u:p@db.example.com/sluice?ssl=true',
  'postgres:///sluice?host=/var/run/postgresql',
  'postgres:///sluice',
  '/var/run/redis.sock',
  'redis://u:p@redis:6379',
  'rediss://u:p@redis.example.com:6380',
  'kafka://10.2.3.4:9092',
])('%s is encrypted, or stays on this machine or a private network', (url) => {
  expect(isCleartextBeyondPrivate(url)).toBe(false)
})

test('an address to listen on is private unless it is every address or a public one', () => {
  expect(['127.0.0.1', '::1', 'localhost', '10.1.2.3', 'fe80::1'].map(isPrivateHost)).toEqual(
    Array(5).fill(true),
  )
  expect(['0.0.0.0', '::', '203.0.113.7', 'a b'].map(isPrivateHost)).toEqual(Array(4).fill(false))
})

test.each([
  ['126.0.0.1', false],
  ['127.0.0.1', true],
  ['9.0.0.1', false],
  ['10.255.255.255', true],
  ['11.0.0.1', false],
  ['172.15.255.255', false],
  ['172.16.0.0', true],
  ['172.31.255.255', true],
  ['172.32.0.0', false],
  ['171.16.0.1', false],
  ['173.31.0.1', false],
  ['192.168.100.200', true],
  ['192.167.0.1', false],
  ['192.169.0.1', false],
  ['191.168.0.1', false],
  ['169.254.169.254', true],
  ['169.253.0.1', false],
  ['169.255.0.1', false],
  ['168.254.0.1', false],
  ['203.168.0.1', false],
  ['203.254.0.1', false],
  ['203.16.100.200', false],
  ['fc00::1', true],
  ['fdff::1', true],
  ['fe80::1', true],
  ['febf::1', true],
  ['fec0::1', false],
  ['fe7f::1', false],
  ['fb00::1', false],
  ['2001:fe80::1', false],
  ['2001:db8:fd00::1', false],
  ['::2', false],
  ['[::1]', true],
  ['::ffff:10.0.0.1', true],
  ['::ffff:127.1.2.3', true],
  ['::ffff:192.168.1.1', true],
  ['::ffff:8.8.8.8', false],
  ['::ffff:0:8.8.8.8', false],
  ['1::ffff:a00:1', false],
  ['::ffff:a00:1:1', false],
  ['64:ff9b::ffff:a00:1', false],
  ['', true],
  ['/var/run', true],
  ['%2Fvar%2Frun', true],
  ['example.com/', false],
  ['example.com%2f', false],
  ['core', true],
  ['core.', true],
  ['example.com.', false],
  ['a.local', true],
  ['a.internal.', true],
  ['a.lan', true],
  ['a.home.arpa', true],
  ['a.localhost', true],
  ['a.local.example.com', false],
  ['a.localx', false],
  ['1.10.0.0.1', false],
])('the host "%s" is on this machine or a private network: %s', (host, isPrivate) => {
  expect(isPrivateHost(host)).toBe(isPrivate)
})

test.each([
  ['ssl=true', false],
  ['ssl=false', true],
  ['ssl=1', true],
  ['sslmode=prefer', true],
  ['sslmode=verify-ca', false],
  ['sslmode=xrequire', true],
  ['sslmode=requirex', true],
  ['sslmode=xverify-full', true],
  ['sslmode=verify-fullx', true],
  ['sslmode=&ssl=true', false],
  ['sslmode=disable&ssl=true', true],
  ['sslmode=disable&sslmode=require', false],
  ['sslmode=require&sslmode=disable', true],
  ['sslmode=verify-ca&uselibpqcompat=true', false],
  ['sslmode=verify-full&uselibpqcompat=true', false],
  ['sslmode=xverify-full&uselibpqcompat=true', true],
  ['sslmode=verify-fullx&uselibpqcompat=true', true],
  ['sslmode=require&uselibpqcompat=false', false],
  ['uselibpqcompat=true&ssl=true', true],
])('Postgres with %s is clear text: %s', (parameters, isCleartext) => {
  for (const protocol of ['postgres', 'postgresql'])
    expect(isCleartextBeyondPrivate(`${protocol}://u:p@db.example.com/x?${parameters}`)).toBe(
      isCleartext,
    )
})

test('a socket leaves no machine, WebSockets count as their own protocols do, and any other URL is unknown', () => {
  for (const url of [
    'socket:/tmp/x?db=y',
    'unix:/tmp/redis',
    'wss://example.com',
    'ws://core',
    '/tmp/x',
  ])
    expect(isCleartextBeyondPrivate(url)).toBe(false)
  for (const url of [
    'http://example.com/?sslmode=require',
    'redis://example.com/?ssl=true',
    'http://example.com/?host=localhost',
    'ws://example.com',
    'ftp://localhost',
    'xsocket:/tmp/x',
    'mailto:a@b.example',
    '',
  ])
    expect(isCleartextBeyondPrivate(url)).toBe(true)
})
