/** What is said while a picture of many requests is made. */

/** `share` of the requests that are counted, 0 … 1; how long it then takes to put the sums together nobody knows. */
export const countingText = (share: number): string =>
  share < 1 ? `counting … ${Math.floor(100 * share)} %` : 'summing up …';
