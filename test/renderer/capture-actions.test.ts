/** Exporting from the menu: when the choice of formats opens. */
import { beforeEach, expect, test, vi } from 'vitest';
import { bytes, diskId } from '../../app/contract/units';
import type { Disk } from '../../app/contract/disk';
import { chooseExport, takeExports, useExports } from '../../renderer/captures/capture-actions';
import { useDisks } from '../../renderer/disks/disk-state';
import { showToast } from '../../renderer/widgets/toast';

vi.mock('../../renderer/widgets/toast', () => ({ showToast: vi.fn() }));
vi.mock('../../renderer/shell/bridge', () => ({ bridge: {} }));

const disk: Disk = {
  id: diskId('capture-1'),
  number: 1,
  name: 'boot',
  imagePath: '/images/disk.img',
  imageKind: 'file',
  size: bytes(4096),
  tail: bytes(0),
  readOnly: true,
  route: 'fuse-loop',
  state: 'capture',
  failure: null,
  device: null,
  partitions: [],
  holders: [],
  fuseFile: null,
  tracePath: '/x',
  attachedAt: 1,
  notes: [],
  capture: {
    path: '/captures/boot.bioscope',
    program: 'bioscope 0.1.0',
    recordedAt: 1,
    payloads: 'none',
    records: 1,
    lost: 0,
    payloadsDropped: 0,
    bytes: 4096,
    isComplete: true,
  },
};

beforeEach(() => {
  vi.mocked(showToast).mockClear();
  useExports.setState({ exports: [], isChoosing: false });
});

test('opens the choice of formats for a capture, and for nothing else', () => {
  useDisks.setState({ disks: [{ ...disk, capture: undefined }], selected: disk.id });
  chooseExport();
  expect(useExports.getState().isChoosing).toBe(false);
  expect(showToast).toHaveBeenCalledWith(expect.stringMatching(/^Only captures/), true);
  useDisks.setState({ disks: [disk] });
  chooseExport();
  expect(useExports.getState().isChoosing).toBe(true);
});

test('while it is being exported there is no choice, neither now nor once that has ended', () => {
  useDisks.setState({ disks: [disk], selected: disk.id });
  takeExports([{ disk: disk.id, format: 'csv', path: '/x.csv', share: 0.5 }]);
  chooseExport();
  expect(showToast).toHaveBeenCalledWith(expect.stringMatching(/^boot is being exported/), true);
  takeExports([]);
  expect(useExports.getState().isChoosing).toBe(false);
});
