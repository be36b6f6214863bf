import { afterAll, beforeAll, describe } from 'vitest'
import { createHttpKeyDirectory } from '../auth/key-directory.ts'
import { abortOnTimeout } from '../lib/timeout.ts'
import { type DirectoryHarness, keyDirectorySuite } from '../testing/key-directory.suite.ts'
import { type StubGateway, startStubGateway } from '../testing/stub-gateway.ts'

/** Without Redis; edge/admission/redis/upstash.engines.test.ts tests the directory on Redis. */
describe('the key directory of core', () => {
  let gateway: StubGateway
  let harness: DirectoryHarness
  beforeAll(async () => {
    gateway = await startStubGateway()
    harness = { gateway, directory: createHttpKeyDirectory(gateway, abortOnTimeout) }
  })
  afterAll(() => gateway?.close())

  keyDirectorySuite(() => harness)
})
