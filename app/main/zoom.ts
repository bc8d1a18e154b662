/** The steps of the View menu's zoom, 80 to 200 %. */
export const zoomSteps: readonly number[] = [0.8, 0.9, 1, 1.1, 1.25, 1.5, 1.75, 2];

/** The next step up (1) or down (-1) from `zoom`, or the last one there is. */
export function zoomStep(zoom: number, direction: 1 | -1): number {
  // A factor comes back from Chromium with the error of its logarithm.
  const near = 0.001;
  const next =
    direction === 1
      ? zoomSteps.find((step) => step > zoom + near)
      : zoomSteps.findLast((step) => step < zoom - near);
  return next ?? (direction === 1 ? 2 : 0.8);
}
