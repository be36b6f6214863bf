/** A request about tenants or API keys that cannot be fulfilled; the message is a sentence for the operator. */
export class IdentityError extends Error {
  override name = 'IdentityError'
}
