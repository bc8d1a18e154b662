/** The few icons there are: 16 × 16, drawn with the text's colour. */
const paths = {
  copy: 'M5.5 5.5V3.2c0-.4.3-.7.7-.7h6.6c.4 0 .7.3.7.7v6.6c0 .4-.3.7-.7.7h-2.3M3.2 5.5h6.6c.4 0 .7.3.7.7v6.6c0 .4-.3.7-.7.7H3.2a.7.7 0 0 1-.7-.7V6.2c0-.4.3-.7.7-.7Z',
  close: 'm4 4 8 8m0-8-8 8',
  pause: 'M5.5 3.5v9m5-9v9',
  play: 'M5 3.5v9l7-4.5-7-4.5Z',
  clear: 'M2.5 8a5.5 5.5 0 1 0 11 0 5.5 5.5 0 0 0-11 0Zm1.7-3.8 7.6 7.6',
  eject: 'M3 12.5h10M8 3.5 3.5 9h9L8 3.5Z',
  down: 'M8 3v9m0 0L4.5 8.5M8 12l3.5-3.5',
  warning: 'M8 2.5 1.8 13.2h12.4L8 2.5Zm0 4v3.2m0 1.8v.2',
  list: 'M2.5 3.5h11v9h-11v-9Zm4 0v9',
  inspector: 'M2.5 3.5h11v9h-11v-9Zm7 0v9',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  );
}
