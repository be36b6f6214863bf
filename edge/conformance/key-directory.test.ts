import { afterAll, beforeAll, describe } from 'vitest'
import { createHttpKeyDirectory } from '../auth/key-directory.ts'
import { abortOnTimeout } from '../lib/timeout.ts'
import { type DirectoryWorld, keyDirectorySuite } from '../testing/key-directory.suite.ts'
import { type StubGateway, startStubGateway } from '../testing/stub-gateway.ts'

/** Without Redis; edge/admission/redis/upstash.engines.test.ts has the other one. */
describe('keys asked of core', () => {
  let gateway: StubGateway
  let world: DirectoryWorld
  beforeAll(async () => {
    gateway = await startStubGateway()
    world = { gateway, directory: createHttpKeyDirectory(gateway, abortOnTimeout) }
  })
  afterAll(() => gateway?.close())

  keyDirectorySuite(() => world)
})
