import { useLocation } from '@solidjs/router'
import { Show } from 'solid-js'
import type { ApiError } from '../../lib/api/client.ts'
import { signInAgainUrl } from '../../lib/sign-in.ts'
import { WarnIcon } from '../icons.tsx'

/** Why a change failed, and what helps. */
export function ActionError(props: { error: ApiError | undefined }) {
  return (
    <Show when={props.error}>
      {(error) => (
        <div class="notice bad action-error">
          <WarnIcon />
          <p role="alert">
            <Show when={error().refusal?.code === 'SIGN_IN_AGAIN'} fallback={sentenceOf(error())}>
              <SignInAgain />
            </Show>
          </p>
        </div>
      )}
    </Show>
  )
}

/** The change takes a recent sign-in; after it, this page is shown again. */
function SignInAgain() {
  const location = useLocation()
  return (
    <>
      <strong>Sign in again to make this change.</strong> You signed in more than 15 minutes ago.
      Nothing was changed.{' '}
      <a href={signInAgainUrl(`${location.pathname}${location.search}`)} rel="external">
        Sign in and come back to this page
      </a>
    </>
  )
}

function sentenceOf({ refusal, message }: ApiError): string {
  if (refusal?.code === 'VERSION_CONFLICT')
    return 'Somebody changed this since you opened it. What is shown is up to date now: look at it, and repeat your change.'
  return refusal?.advice ?? message
}
