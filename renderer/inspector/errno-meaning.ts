/** What an errno means for a block request. */
const meanings: Readonly<Record<number, string>> = {
  1: 'the backend was not allowed to',
  5: 'the image could not be read or written there',
  11: 'it would have had to wait, and was told not to',
  12: 'no memory was left',
  16: 'the image is in use',
  19: 'the device has gone',
  22: 'the request made no sense: out of range or not on a sector boundary',
  27: 'the image would have grown past what its file system allows',
  28: 'the file system that holds the image is full',
  30: 'the disk is attached read-only',
  61: 'the image has a hole in its data there',
  84: 'the data failed its check',
  95: 'the backend cannot do this operation',
  110: 'it took too long',
  121: 'the remote end failed',
  122: 'the quota of the image’s owner is used up',
};

export function errnoMeaning(errno: number): string {
  return meanings[errno] ?? 'the backend reported this errno';
}
