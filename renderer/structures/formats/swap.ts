/** The header of a swap space; names as in include/linux/swap.h. */
import { custom, fieldsIn, raw, readFields, text, uuid, type Layout } from '../fields';
import type { Place } from '../recogniser';
import type { Structure } from '../structure';

const MAGIC = 'SWAPSPACE2';
const PAGE_SIZES = [4096, 8192, 16384, 65536];

const { u32 } = fieldsIn('little');

const layout = (page: number): Layout => [
  raw(0, 1024, 'bootbits'),
  u32(1024, 'version'),
  u32(1028, 'last_page', (value) => `${(value + 1) * page} bytes in all`),
  u32(1032, 'nr_badpages'),
  uuid(1036, 'sws_uuid'),
  text(1052, 16, 'sws_volume', 'label'),
  custom(page - MAGIC.length, MAGIC.length, 'magic', (view, at) => ({
    value: JSON.stringify(view.text(at, MAGIC.length)),
  })),
];

export function recogniseSwap({ view }: Place): Structure | null {
  const page = PAGE_SIZES.find((size) => view.isAscii(size - MAGIC.length, MAGIC));
  if (page === undefined || view.u32(1024) !== 1) return null;
  const header = view.part(0, page);
  return {
    name: 'Swap header',
    offset: header.start,
    length: header.length,
    value: header.uuid(1036),
    meaning: `${header.u32(1028)} pages of ${page} bytes`,
    confidence: 'magic',
    evidence: `"${MAGIC}" at the end of its page; it carries no checksum`,
    children: () => readFields(header, layout(page)),
  };
}
