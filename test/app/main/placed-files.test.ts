/** What may be replaced: what a dialog asked about, and that once. */
import { expect, test } from 'vitest';
import { PlacedFiles } from '../../../app/main/placed-files';

test('a file may be replaced once for each answer of the dialog, and no other may', () => {
  const placed = new PlacedFiles();
  expect(placed.take('/home/anna/.bashrc')).toBe(false);
  placed.add('/home/anna/x.csv');
  expect(placed.take('/home/anna/.bashrc')).toBe(false);
  expect(placed.take('/home/anna/x.csv')).toBe(true);
  expect(placed.take('/home/anna/x.csv')).toBe(false);
  placed.add('/home/anna/x.csv');
  expect(placed.take('/home/anna/x.csv')).toBe(true);
});
