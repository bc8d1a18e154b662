/** What the byte of a directory entry says its file is: the same in ext4 and XFS, which has one more. */
export const fileTypes: Readonly<Record<number, string>> = {
  0: 'unknown',
  1: 'regular file',
  2: 'directory',
  3: 'character device',
  4: 'block device',
  5: 'FIFO',
  6: 'socket',
  7: 'symbolic link',
};
