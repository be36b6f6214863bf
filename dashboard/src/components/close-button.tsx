import { CloseIcon } from './icons.tsx'

/** Of a panel that Escape closes too. @param title the tooltip, which names the key */
export function CloseButton(props: { title: string; onClick: () => void }) {
  return (
    <button type="button" class="button quiet" title={props.title} onClick={() => props.onClick()}>
      <CloseIcon />
      Close
    </button>
  )
}
