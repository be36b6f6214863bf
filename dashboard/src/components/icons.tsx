import type { JSX } from 'solid-js'

/** Line icons on a 16 px grid. They are next to a word, so they are hidden from screen readers. */
const icon = (path: () => JSX.Element) => () => (
  <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
    {path()}
  </svg>
)

export const OverviewIcon = icon(() => <path d="M2 13.500h12M2.5 10.500l3.2-4 2.8 2.3 4.8-5.8" />)
export const ExploreIcon = icon(() => (
  <path d="M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM10.600 5.400 9 9l-3.600 1.600L7 7z" />
))
export const SearchIcon = icon(() => (
  <path d="M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.600 10.600 14 14" />
))
export const KeyboardIcon = icon(() => (
  <path d="M1.5 4h13v8h-13zM4 6.500h.01M6.7 6.500h.01M9.3 6.500h.01M12 6.500h.01M4.5 9.500h7" />
))
export const SignOutIcon = icon(() => <path d="M6 13.500H2.500v-11H6M10.5 11l3-3-3-3M13.5 8H6" />)
export const ClockIcon = icon(() => (
  <path d="M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 4.500V8l2.3 1.5" />
))
export const GlobeIcon = icon(() => (
  <path d="M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM2 8h12M8 2c4 4 4 8 0 12-4-4-4-8 0-12z" />
))
export const ChevronIcon = icon(() => <path d="m4.5 6.5 3.5 3.5 3.5-3.5" />)
export const CopyIcon = icon(() => <path d="M5.5 5.500h8v8h-8zM10.5 5.500v-3h-8v8h3" />)
export const CheckIcon = icon(() => <path d="m3 8.5 3.5 3.500L13 5" />)
export const CloseIcon = icon(() => <path d="m4 4 8 8M12 4l-8 8" />)
export const PauseIcon = icon(() => <path d="M5.5 3.500v9M10.5 3.500v9" />)
export const PlayIcon = icon(() => <path d="M5 3l8 5-8 5z" />)
export const WarnIcon = icon(() => <path d="M8 2 1.5 13.500h13zM8 6.500v3.500M8 12h.01" />)

export const KeysIcon = icon(() => (
  <path d="M6 10.500a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM9.500 7h5v3M12 7v2" />
))
export const PipelineIcon = icon(() => (
  <path d="M1.500 6h4v4h-4zM10.500 6h4v4h-4zM5.500 8h5M8.500 6l2 2-2 2" />
))
export const SettingsIcon = icon(() => (
  <path d="M2 4.500h6M12 4.500h2M10 2.500v4M2 11.500h2M8 11.500h6M6 9.500v4" />
))
export const MoreIcon = icon(() => <path d="M3 8h.01M8 8h.01M13 8h.01" />)
export const PersonIcon = icon(() => (
  <path d="M8 8a2.800 2.800 0 1 0 0-5.600A2.800 2.800 0 0 0 8 8zM2.800 14c.4-2.600 2.500-4 5.200-4s4.800 1.400 5.200 4" />
))
export const SessionsIcon = icon(() => <path d="M2 3h12v8H2zM5.500 13.500h5M8 11v2.500" />)
export const PlusIcon = icon(() => <path d="M8 3v10M3 8h10" />)

export function Brand() {
  return (
    <svg class="brand-mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" />
      <path d="M7 12c3 0 3-2.5 6-2.500s3 2.5 6 2.5 3-2.5 6-2.500M7 17.500c3 0 3-2.5 6-2.500s3 2.5 6 2.5 3-2.5 6-2.500M7 23c3 0 3-2.5 6-2.500s3 2.5 6 2.5 3-2.5 6-2.5" />
    </svg>
  )
}
