/** The element that takes the table's keys, for those who give it the focus back. */
export const GRID_ID = 'trace-grid';
