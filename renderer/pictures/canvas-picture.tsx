/** A picture on a canvas that fills its place and is drawn anew with each result. */
import { useEffect, useLayoutEffect, useRef, useState } from 'react';
import { useColours } from './colours';
import type { Picture } from './picture';
import { offerSaving } from './saving';
import { CanvasSurface, type Size } from './surface';

/** The size of an element's inside, in whole pixels, as it changes. */
export function useSize(): [React.RefObject<HTMLDivElement | null>, Size] {
  const place = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState<Size>({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const element = place.current;
    if (!element) return;
    const measure = (): void => {
      const { width, height } = element.getBoundingClientRect();
      setSize({ width: Math.floor(width), height: Math.floor(height) });
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [place, size];
}

export function CanvasPicture<Result>(props: {
  readonly picture: Picture<Result>;
  readonly result: Result;
  readonly label: string;
  readonly testId: string;
  /** Sectors or times at a share (0 … 1) of the width, marked by a drag. */
  readonly onSelect?: (from: number, to: number, size: Size) => void;
}) {
  const { picture, result, label, testId, onSelect } = props;
  const [place, size] = useSize();
  const canvas = useRef<HTMLCanvasElement>(null);
  const [drag, setDrag] = useState<{ readonly from: number; readonly to: number } | null>(null);
  const colours = useColours();
  useLayoutEffect(() => {
    const element = canvas.current;
    const context = element?.getContext('2d');
    if (!element || !context || size.width === 0) return;
    const scale = window.devicePixelRatio;
    element.width = Math.round(size.width * scale);
    element.height = Math.round(size.height * scale);
    const surface = new CanvasSurface(context, scale);
    picture.draw(surface, size, result, colours);
    if (!drag) return;
    const left = Math.min(drag.from, drag.to);
    surface.rect(left, 0, Math.abs(drag.to - drag.from), size.height, colours.accent, 0.15);
  }, [picture, result, size, colours, drag]);
  const newest = useRef({ result, size });
  useEffect(() => {
    newest.current = { result, size };
  }, [result, size]);
  useEffect(() => offerSaving(picture, () => newest.current), [picture]);
  const x = (event: React.PointerEvent): number =>
    event.clientX - event.currentTarget.getBoundingClientRect().left;
  return (
    <div
      ref={place}
      className="picture-canvas"
      role="img"
      aria-label={label}
      data-testid={testId}
      data-brushable={onSelect !== undefined}
      onPointerDown={(event) => {
        if (!onSelect || event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        setDrag({ from: x(event), to: x(event) });
      }}
      onPointerMove={(event) => {
        if (drag) setDrag({ from: drag.from, to: x(event) });
      }}
      onPointerUp={() => {
        if (drag && Math.abs(drag.to - drag.from) >= 4)
          onSelect?.(Math.min(drag.from, drag.to), Math.max(drag.from, drag.to), size);
        setDrag(null);
      }}
      onPointerCancel={() => setDrag(null)}
    >
      <canvas ref={canvas} />
    </div>
  );
}
