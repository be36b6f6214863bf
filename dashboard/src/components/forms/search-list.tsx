import './search-list.css'
import {
  createEffect,
  createMemo,
  createSignal,
  createUniqueId,
  For,
  type JSX,
  onMount,
  Show,
  untrack,
} from 'solid-js'

export interface SearchOption {
  value: string | null
  label: string
  /** To the right: a count, a type. */
  note?: string | undefined
}

const SHOWN_MAX = 100
const ENTERED_MAX = 100

/**
 * Type to filter, arrows to move, Enter to choose: the first match where none is highlighted. What is typed can be
 * chosen too, since the options are those that are known, not all there are.
 */
export function SearchList(props: {
  /** What the field is for, and what the list holds: "Search events", "Events". */
  label: string
  listLabel: string
  placeholder: string
  options: readonly SearchOption[]
  isLoading: boolean
  isChosen(option: SearchOption): boolean
  choose(option: SearchOption): void
  /** What is typed, where the options come from a search. */
  onSearch?(text: string): void
  /** Several may be chosen: the list stays open. */
  isMultiple?: boolean
  /** In front of what is typed, where no option has that name: "Use". Without it only options can be chosen. */
  typedLabel?: string | undefined
  /** Why there are no options, and other remarks below the list. */
  children?: JSX.Element
}) {
  const id = createUniqueId()
  const [typed, setTyped] = createSignal('')
  /** What was confirmed before its options were there, in that order. */
  const [entered, setEntered] = createSignal<readonly string[]>([])
  const [highlighted, setHighlighted] = createSignal(0)
  const shown = createMemo(() => optionsFor(typed(), props.options, props.typedLabel))
  let input!: HTMLInputElement
  let list!: HTMLDivElement
  onMount(() => input.focus({ preventScroll: true }))

  const highlight = (index: number) => {
    const count = shown().length
    if (count === 0) return
    setHighlighted((index + count) % count)
    list.children[highlighted()]?.scrollIntoView({ block: 'nearest' })
  }
  // Enter may be quicker than the options: they are awaited, and those of what is typed meanwhile come after them.
  createEffect(() => {
    const [text, ...others] = entered()
    if (text === undefined || props.isLoading) return
    const [option] = optionsFor(text, props.options, props.typedLabel)
    setEntered(others)
    untrack(() => {
      props.onSearch?.((others[0] ?? typed()).trim())
      if (option !== undefined) props.choose(option)
    })
  })
  const enter = (option: SearchOption | undefined) => {
    const isKnown = props.options.some((known) => known === option)
    const isWaiting = entered().length > 0 || (props.isLoading && !isKnown)
    if (!isWaiting) {
      if (option !== undefined) props.choose(option)
    } else if (entered().at(-1) !== typed() && entered().length < ENTERED_MAX)
      setEntered([...entered(), typed()])
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.isComposing) return
    const move = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    const option = shown()[highlighted()]
    if (move !== undefined) highlight(highlighted() + move)
    else if (event.key === 'Enter') enter(option)
    else return
    event.preventDefault()
  }
  return (
    <div class="search-list">
      <input
        ref={input}
        class="search"
        type="text"
        role="combobox"
        autocomplete="off"
        spellcheck={false}
        dir="auto"
        maxlength={256}
        aria-label={props.label}
        aria-expanded="true"
        aria-autocomplete="list"
        aria-controls={id}
        aria-activedescendant={shown().length > 0 ? `${id}-${highlighted()}` : undefined}
        placeholder={props.placeholder}
        onInput={(event) => {
          setTyped(event.currentTarget.value)
          if (entered().length === 0) props.onSearch?.(event.currentTarget.value.trim())
          setHighlighted(0)
        }}
        onKeyDown={onKeyDown}
      />
      <div
        ref={list}
        id={id}
        class="search-options"
        role="listbox"
        aria-label={props.listLabel}
        aria-multiselectable={props.isMultiple ? 'true' : undefined}
        aria-busy={props.isLoading}
      >
        <For each={shown()}>
          {(option, i) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the field above has the keys
            // biome-ignore lint/a11y/useFocusableInteractive: the field above has the focus
            <div
              id={`${id}-${i()}`}
              class="option"
              role="option"
              aria-selected={props.isChosen(option)}
              data-highlighted={i() === highlighted() ? '' : undefined}
              data-current={props.isChosen(option)}
              // The focus stays in the field.
              onPointerDown={(event) => event.preventDefault()}
              onClick={() => props.choose(option)}
            >
              <bdi class="option-label" title={option.label}>
                {option.label}
              </bdi>
              <span class="hint figures">
                {props.isChosen(option) ? 'chosen' : (option.note ?? '')}
              </span>
            </div>
          )}
        </For>
      </div>
      <Show when={shown().length === 0}>
        <p class="hint search-none">{props.isLoading ? 'Loading…' : 'Nothing matches.'}</p>
      </Show>
      {props.children}
    </div>
  )
}

/** Those that begin with the text, then those that contain it, then the text itself. */
function optionsFor(
  typed: string,
  options: readonly SearchOption[],
  typedLabel: string | undefined,
): SearchOption[] {
  const text = typed.trim()
  const wanted = text.toLowerCase()
  const rank = ({ label }: SearchOption) => {
    const at = label.toLowerCase().indexOf(wanted)
    return at < 0 ? 2 : Math.min(at, 1)
  }
  const matching = options
    .filter((option) => rank(option) < 2)
    .toSorted((a, b) => (wanted === '' ? 0 : rank(a) - rank(b)))
    .slice(0, SHOWN_MAX)
  const isKnown = options.some((option) => option.value === text)
  if (text === '' || isKnown || typedLabel === undefined) return matching
  return [...matching, { value: text, label: text, note: typedLabel }]
}
