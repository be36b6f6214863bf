import { LIVE_LIMITS, QUERY_LIMITS } from '../../queries/limits.ts'

/** Limits of WebSockets; each of them counts as a live subscription too, once its sender is known. */
export const SOCKET_LIMITS = {
  /** A message of GraphQL is as long as a request may be. */
  messageBytesMax: QUERY_LIMITS.bodyBytesMax,
  /** So long may a client take until it sent who it is. */
  initMsMax: 3_000,
  /** Connections whose sender is not known yet: in all, and of one address. */
  pendingMax: 200,
  pendingPerAddressMax: 50,
  socketsMax: LIVE_LIMITS.subscribersMax,
  /** Messages that are being worked on, subscriptions among them. */
  messagesAtOnceMax: LIVE_LIMITS.subscribersPerCredentialMax + 12,
  /** What a client may leave unread before it is disconnected: one result, and what else was under way. */
  unreadBytesMax: QUERY_LIMITS.responseBytesMax + 64 * 1024,
  /** A client that does not respond to a ping for so long is gone. */
  pingMs: 12_000,
} as const
