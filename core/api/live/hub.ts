import { listenForStored } from '../../db/channels.ts'
import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { ApiError } from '../../lib/api-error.ts'
import type { Logger } from '../../lib/logger.ts'
import type { Log } from '../../log/log.ts'
import { LIVE_LIMITS } from '../../queries/limits.ts'
import { createPipelineGauge } from '../../queries/pipeline/pipeline-gauge.ts'
import { type Channel, createChannel, type LiveUpdate } from './channel.ts'
import { createSubscriptionShares, type HeldShare, type SubscribedBy } from './shares.ts'
import { createSubscriber, type Subscriber } from './subscriber.ts'

/** Reads Postgres once for each tenant with subscribers, and pushes the update to all of them. */
export interface LiveHub {
  /**
   * Begins with the current state, and ends when it is returned or the hub closes.
   * @param authorize called every `recheckMs`; an ApiError ends the subscription, anything else means that it
   *   could not be found out
   * @throws OVERLOADED with as many subscriptions as LIVE_LIMITS allow in all, of the tenant, or with the credential
   */
  subscribe(
    viewer: TenantViewer,
    authorize: () => Promise<unknown>,
    by?: SubscribedBy,
  ): AsyncIterableIterator<LiveUpdate>
  /** Counts a connection that may subscribe as one subscription. @throws OVERLOADED, as subscribe does */
  hold(tenantId: number, by: SubscribedBy): HeldShare
  /** The number of subscriptions. */
  readonly size: number
  close(): Promise<void>
}

export interface LiveHubDeps {
  db: Database
  /** For a connection of its own that listens for every commit. */
  databaseUrl: string
  log: Log
  logger: Pick<Logger, 'warn'>
  now?: () => number
  /** How often rights are checked again; LIVE_LIMITS.recheckMs unless given. */
  recheckMs?: number
}

interface WatchedTenant {
  channel: Channel
  subscribers: Set<Subscription>
  refreshedAt: number
  refreshing: boolean
  timer: NodeJS.Timeout | undefined
}

interface Subscription {
  subscriber: Subscriber<LiveUpdate>
  authorize: () => Promise<unknown>
  checkedAt: number
  /** Whether it was sent an update yet. */
  hasBegun: boolean
}

export function createLiveHub(deps: LiveHubDeps): LiveHub {
  const { db, log, logger, now = Date.now, recheckMs = LIVE_LIMITS.recheckMs } = deps
  const pipeline = createPipelineGauge({ db, log }, now)
  const watched = new Map<number, WatchedTenant>()
  const shares = createSubscriptionShares()
  const listening = listenForStored(
    deps.databaseUrl,
    (tenantIds) => {
      for (const id of tenantIds ?? watched.keys()) scheduleRefresh(id)
    },
    (error) =>
      logger.warn(
        { error: String(error) },
        'LISTEN connection for live updates lost, reconnecting',
      ),
  )
  const poll = setInterval(() => {
    for (const id of watched.keys()) scheduleRefresh(id)
  }, LIVE_LIMITS.refreshMaxMs)

  /** Refreshes a tenant now, or refreshMinMs after its last refresh. */
  function scheduleRefresh(id: number): void {
    const tenant = watched.get(id)
    if (!tenant || tenant.timer) return
    const wait = Math.max(0, tenant.refreshedAt + LIVE_LIMITS.refreshMinMs - now())
    tenant.timer = setTimeout(() => {
      tenant.timer = undefined
      void refresh(id, tenant)
    }, wait)
  }

  async function refresh(id: number, tenant: WatchedTenant): Promise<void> {
    // The running refresh may have read too early; the next notification or poll starts another one.
    if (tenant.refreshing) return
    tenant.refreshing = true
    tenant.refreshedAt = now()
    const update = await tenant.channel.refresh()
    tenant.refreshing = false
    if (watched.get(id) !== tenant) return
    for (const subscription of tenant.subscribers) push(tenant, subscription, update)
  }

  function push(tenant: WatchedTenant, subscription: Subscription, update: LiveUpdate): void {
    const recent = subscription.hasBegun
      ? update.recent
      : tenant.channel.newest().slice(0, LIVE_LIMITS.recentFirst)
    subscription.hasBegun = true
    subscription.subscriber.push({ ...update, recent })
    if (now() - subscription.checkedAt < recheckMs) return
    subscription.checkedAt = now()
    subscription.authorize().catch((error: unknown) => {
      // Where credentials cannot be checked right now, the next check decides.
      if (isDenial(error)) subscription.subscriber.fail(error)
    })
  }

  return {
    subscribe(viewer, authorize, by = {}) {
      const leave = shares.enter(viewer.tenantId, by)
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
        leave()
        tenant.subscribers.delete(subscription)
        if (tenant.subscribers.size > 0) return
        clearTimeout(tenant.timer)
        tenant.channel.close()
        watched.delete(id)
      })
      const subscription = { subscriber, authorize, checkedAt: now(), hasBegun: false }
      tenant.subscribers.add(subscription)
      scheduleRefresh(id)
      return subscriber
    },
    hold: shares.hold,
    get size() {
      return shares.size
    },
    async close() {
      clearInterval(poll)
      for (const { subscribers } of watched.values())
        for (const { subscriber } of subscribers) subscriber.end()
      await listening.close()
    },
  }
}

/** Whether somebody has lost the right to go on. */
function isDenial(error: unknown): error is ApiError {
  return error instanceof ApiError && ['UNAUTHENTICATED', 'FORBIDDEN'].includes(error.code)
}
