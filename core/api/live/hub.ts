import { listenForStored } from '../../db/channels.ts'
import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import type { Log } from '../../log/log.ts'
import { queryError } from '../../queries/errors.ts'
import { LIVE_LIMITS } from '../../queries/live-limits.ts'
import { createPipelineGauge } from '../../queries/pipeline.ts'
import { type Channel, createChannel, type LiveUpdate } from './channel.ts'
import { createSubscriber, type Subscriber } from './subscriber.ts'

/** Watches Postgres once for each tenant that anybody watches, and tells all of them. */
export interface LiveHub {
  /**
   * Begins with the state at hand, then goes on until it is returned or the hub closes.
   * @param isStillAuthorized asked again now and then; false ends the subscription with UNAUTHENTICATED
   */
  subscribe(
    viewer: TenantViewer,
    isStillAuthorized: () => Promise<boolean>,
  ): AsyncIterableIterator<LiveUpdate>
  /** How many are subscribed. */
  readonly size: number
  close(): Promise<void>
}

export interface LiveHubDeps {
  db: Database
  /** For a connection of its own, which hears of every commit. */
  databaseUrl: string
  log: Log
  logger: { warn(fields: object, message: string): void }
  now?: () => number
}

interface Watched {
  channel: Channel
  subscribers: Set<Watcher>
  refreshedAt: number
  refreshing: boolean
  timer: NodeJS.Timeout | undefined
}

interface Watcher {
  subscriber: Subscriber<LiveUpdate>
  isStillAuthorized: () => Promise<boolean>
  checkedAt: number
  /** Whether it was told anything yet. */
  begun: boolean
}

export function createLiveHub(deps: LiveHubDeps): LiveHub {
  const { db, log, logger, now = Date.now } = deps
  const pipeline = createPipelineGauge({ db, log }, now)
  const watched = new Map<number, Watched>()
  let size = 0
  const signal = listenForStored(
    deps.databaseUrl,
    (tenantIds) => {
      for (const id of tenantIds ?? watched.keys()) soon(id)
    },
    (error) => logger.warn({ error: String(error) }, 'the live connection broke; it is mended'),
  )
  const net = setInterval(() => {
    for (const id of watched.keys()) soon(id)
  }, LIVE_LIMITS.refreshMaxMs)

  /** Refreshes a tenant now, or as soon as the last refresh is long enough ago. */
  function soon(id: number): void {
    const tenant = watched.get(id)
    if (!tenant || tenant.timer) return
    const wait = Math.max(0, tenant.refreshedAt + LIVE_LIMITS.refreshMinMs - now())
    tenant.timer = setTimeout(() => {
      tenant.timer = undefined
      void refresh(id, tenant)
    }, wait)
  }

  async function refresh(id: number, tenant: Watched): Promise<void> {
    // The one under way may have read too early: there is another one after it, by the signal or the net.
    if (tenant.refreshing) return
    tenant.refreshing = true
    tenant.refreshedAt = now()
    const update = await tenant.channel.refresh()
    tenant.refreshing = false
    if (watched.get(id) !== tenant) return
    for (const watcher of tenant.subscribers) tell(tenant, watcher, update)
  }

  function tell(tenant: Watched, watcher: Watcher, update: LiveUpdate): void {
    const recent = watcher.begun
      ? update.recent
      : tenant.channel.newest().slice(0, LIVE_LIMITS.recentFirst)
    watcher.begun = true
    watcher.subscriber.push({ ...update, recent })
    if (now() - watcher.checkedAt < LIVE_LIMITS.recheckMs) return
    watcher.checkedAt = now()
    watcher.isStillAuthorized().then(
      (may) => {
        if (!may) watcher.subscriber.fail(queryError('UNAUTHENTICATED', 'You were signed out.'))
      },
      // Nobody can tell right now; the next time decides.
      () => {},
    )
  }

  return {
    subscribe(viewer, isStillAuthorized) {
      if (size >= LIVE_LIMITS.subscribersMax)
        throw queryError('OVERLOADED', 'Too many are watching already; try again later.')
      const id = viewer.tenantId
      const tenant = watched.get(id) ?? {
        channel: createChannel({ db, pipeline, now }, viewer),
        subscribers: new Set(),
        refreshedAt: Number.NEGATIVE_INFINITY,
        refreshing: false,
        timer: undefined,
      }
      watched.set(id, tenant)
      const subscriber = createSubscriber<LiveUpdate>(() => {
        size--
        tenant.subscribers.delete(watcher)
        if (tenant.subscribers.size > 0) return
        clearTimeout(tenant.timer)
        watched.delete(id)
      })
      const watcher = { subscriber, isStillAuthorized, checkedAt: now(), begun: false }
      tenant.subscribers.add(watcher)
      size++
      soon(id)
      return subscriber
    },
    get size() {
      return size
    },
    async close() {
      clearInterval(net)
      for (const { subscribers } of watched.values())
        for (const { subscriber } of subscribers) subscriber.end()
      await signal.close()
    },
  }
}
