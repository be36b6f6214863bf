export interface MonthKind {
  name: string
  /** Relative to the others. */
  weight: number
  fields?: (random: () => number) => Record<string, unknown>
  /** Sent since the release. */
  isNew?: true
  /** Many more of them during the outage. */
  isFailure?: true
}

const pick = <T>(random: () => number, from: readonly T[]): T =>
  from[Math.floor(random() * from.length)] as T
const euros = (random: () => number, max: number) =>
  Math.round(max * 100 * random() ** 3 + 99) / 100

const PAGES = ['/', '/sale', '/shoes', '/coats', '/bags', '/gifts', '/about', '/help']
const COUNTRIES = ['DE', 'FR', 'GB', 'NL', 'PL', 'US', 'JP', 'BR']
const REFERRERS = ['search', 'newsletter', 'direct', 'social', 'partner']
const CARRIERS = ['post', 'courier', 'pickup']
const PAYMENTS = ['card', 'transfer', 'invoice', 'wallet']

const page = (random: () => number) => ({
  page: pick(random, PAGES),
  country: pick(random, COUNTRIES),
  referrer: pick(random, REFERRERS),
})
const payment = (max: number) => (random: () => number) => ({
  value: euros(random, max),
  payment: pick(random, PAYMENTS),
  country: pick(random, COUNTRIES),
})
const duration = (ms: number) => (random: () => number) => ({
  value: Math.round(ms * (0.4 + random() + 4 * random() ** 12)),
})

/** What happens in a shop. Weights fall from what all customers do to what a few do. */
export const MONTH_KINDS: readonly MonthKind[] = [
  { name: 'page_viewed', weight: 260, fields: page },
  { name: 'product_viewed', weight: 150, fields: page },
  { name: 'page_loaded', weight: 90, fields: duration(900) },
  { name: 'search_performed', weight: 70, fields: (r) => ({ results: Math.floor(r() * 60) }) },
  {
    name: 'filter_applied',
    weight: 40,
    fields: (r) => ({ by: pick(r, ['size', 'price', 'colour']) }),
  },
  { name: 'product_added', weight: 48, fields: payment(180) },
  { name: 'product_removed', weight: 12, fields: payment(180) },
  { name: 'wishlist_added', weight: 14, fields: page },
  { name: 'cart_viewed', weight: 36, fields: page },
  { name: 'checkout_started', weight: 24, fields: payment(400) },
  { name: 'coupon_entered', weight: 8, fields: (r) => ({ is_valid: r() < 0.6 }) },
  { name: 'payment_failed', weight: 2, isFailure: true, fields: payment(400) },
  { name: 'order_completed', weight: 16, fields: payment(400) },
  { name: 'order_cancelled', weight: 1.5, fields: payment(400) },
  { name: 'order_shipped', weight: 13, fields: (r) => ({ carrier: pick(r, CARRIERS) }) },
  { name: 'order_delivered', weight: 12, fields: (r) => ({ value: Math.round(1 + 5 * r()) }) },
  { name: 'order_returned', weight: 3, fields: payment(200) },
  { name: 'refund_issued', weight: 2.5, fields: payment(200) },
  { name: 'review_submitted', weight: 5, fields: (r) => ({ value: Math.ceil(5 * r() ** 0.4) }) },
  { name: 'account_created', weight: 9, fields: page },
  {
    name: 'signed_in',
    weight: 34,
    fields: (r) => ({ with: pick(r, ['password', 'link', 'code']) }),
  },
  { name: 'signed_out', weight: 7 },
  { name: 'sign_in_failed', weight: 4, isFailure: true },
  { name: 'newsletter_subscribed', weight: 4, fields: page },
  { name: 'newsletter_opened', weight: 20 },
  { name: 'support_requested', weight: 4, isFailure: true },
  { name: 'api_requested', weight: 60, fields: duration(80) },
  {
    name: 'api_error',
    weight: 2.5,
    isFailure: true,
    fields: (r) => ({ status: pick(r, [429, 500, 503]) }),
  },
  { name: 'job_finished', weight: 15, fields: duration(4_000) },
  { name: 'stock_changed', weight: 18, fields: (r) => ({ value: Math.round(20 * r()) }) },
  { name: 'outfit_suggested', weight: 60, isNew: true, fields: page },
  { name: 'outfit_bought', weight: 6, isNew: true, fields: payment(600) },
]
