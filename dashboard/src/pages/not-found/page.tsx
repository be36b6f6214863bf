import { A } from '@solidjs/router'

/** A URL that no page has. */
export function NotFoundPage() {
  return (
    <section class="state" aria-labelledby="not-found">
      <h2 id="not-found">Page not found.</h2>
      <p>
        There is no page at <code>{location.pathname}</code>. Check the address, or go to the
        overview.
      </p>
      <p>
        <A class="button primary" href="/">
          Go to Overview
        </A>
      </p>
    </section>
  )
}
