/** The brush and the filter: marking a part of a picture writes it into the filter's text. */
import { traceSession } from '../trace/trace-client';
import { useTraceView } from '../trace/view-state';
import { type Brush, brushText, withBrush, withoutBrush } from './brush';
import { usePictures } from './picture-state';

/** Puts `brush` in place of the last one; null takes that away. */
export function setBrush(brush: Brush | null): void {
  const { filterText } = useTraceView.getState();
  const earlier = usePictures.getState().brush?.text ?? null;
  const isNone = brush === null || brushText(brush) === '';
  traceSession.setFilterText(
    isNone ? withoutBrush(filterText, earlier) : withBrush(filterText, earlier, brush),
  );
  usePictures.setState({ brush: isNone ? null : { brush, text: brushText(brush) } });
}

/** The brush, as long as the filter has it: its text may be edited away. */
export function useBrush(): Brush | null {
  const last = usePictures((state) => state.brush);
  const isThere = useTraceView(({ filterText }) => last !== null && filterText.endsWith(last.text));
  return isThere && last ? last.brush : null;
}
