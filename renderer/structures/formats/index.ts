/** Every format: a line here is all that a new one needs. */
import type { Recogniser, Surveyor } from '../recogniser';
import { recogniseExFat, surveyExFat } from './exfat';
import { recogniseSuperblock } from './ext4-superblock';
import { surveyExt4 } from './ext4-volume';
import { recogniseFat, surveyFat } from './fat';
import { recogniseGpt } from './gpt';
import { recogniseIso9660 } from './iso9660';
import { recogniseJournalBlock } from './jbd2';
import { recogniseLuks } from './luks';
import { recogniseLvm } from './lvm';
import { recogniseMbr } from './mbr';
import { recogniseNtfs } from './ntfs';
import { recogniseSwap } from './swap';
import { recogniseXfs } from './xfs';
import { recogniseXfsMetadata } from './xfs-metadata';

/**
 * By magic, tried in this order at each sector. A file system's boot sector
 * looks like an MBR to one who does not know the file system: MBR comes last.
 */
export const recognisers: readonly Recogniser[] = [
  recogniseSuperblock,
  (place) => recogniseJournalBlock(place, null),
  recogniseGpt,
  recogniseNtfs,
  recogniseExFat,
  recogniseFat,
  recogniseXfs,
  recogniseXfsMetadata,
  recogniseLuks,
  recogniseLvm,
  recogniseSwap,
  recogniseIso9660,
  recogniseMbr,
];

export const surveyors: readonly Surveyor[] = [surveyExt4, surveyFat, surveyExFat];
