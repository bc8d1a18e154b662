import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { recognise } from '../../../renderer/structures/recognise';
import { noRegions } from '../../../renderer/structures/regions';
import { Device, field, golden, hasProgram, Images, named, run, value } from './images';

const MIB = 1 << 20;
const images = new Images();
afterAll(() => images.remove());

/** A test of what `programs` make and report. */
const withPrograms = (programs: readonly string[]) =>
  it.skipIf(!programs.every((name) => hasProgram(name)));

async function opened<Result>(path: string, work: (device: Device) => Promise<Result>) {
  const device = new Device(path);
  try {
    return await work(device);
  } finally {
    device.close();
  }
}

/** What low-level probing by blkid says: { UUID: ..., LABEL: ... }. */
function probed(path: string): Record<string, string> {
  const lines = run('blkid', ['-p', '-o', 'export', path]).split('\n');
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
}

interface SfdiskTable {
  readonly partitiontable: {
    readonly id: string;
    readonly partitions: readonly {
      readonly start: number;
      readonly size: number;
      readonly type: string;
      readonly uuid?: string;
      readonly name?: string;
    }[];
  };
}
const sfdisk = (path: string): SfdiskTable['partitiontable'] =>
  (JSON.parse(run('sfdisk', ['-J', path])) as SfdiskTable).partitiontable;

describe('partition tables as sfdisk makes them', () => {
  withPrograms(['sfdisk'])('an MBR with logical partitions (needs fdisk)', async () => {
    const path = images.make('mbr.img', 64 * MIB);
    run('sfdisk', ['-q', path], 'label: dos\n2048,20480,83\n,,5\n,10000,82\n,5000,83\n');
    const { id, partitions } = sfdisk(path);
    await opened(path, async (device) => {
      const mbr = named(await device.recognise(0, 512), 'MBR');
      expect(mbr).toMatchObject({ confidence: 'magic', value: '2 partitions' });
      expect(value(mbr, 'disk signature')).toBe(id);
      expect(value(mbr, 'partition 1', 'lba_first')).toBe(String(partitions[0]!.start));
      expect(value(mbr, 'partition 1', 'sectors')).toBe(String(partitions[0]!.size));
      expect(field(mbr, 'partition 1', 'type').meaning).toBe('Linux');
      // The second logical partition's record: its first sector counts from there.
      const record = (partitions[3]!.start - 2048) * 512;
      const extended = named(await device.recognise(record, 512), 'Extended boot record');
      expect(value(extended, 'partition 1', 'lba_first')).toBe('2048');
      expect(value(extended, 'partition 1', 'sectors')).toBe('5000');
    });
  });

  withPrograms(['sfdisk'])('a GPT, its entries and its backup (needs fdisk)', async () => {
    const path = images.make('gpt.img', 64 * MIB);
    run('sfdisk', ['-q', path], 'label: gpt\nsize=20480,name=boot,type=U\ntype=L\n');
    const { id, partitions } = sfdisk(path);
    await opened(path, async (device) => {
      const structures = await device.recognise(0, 34 * 512);
      expect(structures.map(({ name }) => name)).toEqual([
        'Protective MBR',
        'GPT header',
        'GPT entries',
      ]);
      const header = named(structures, 'GPT header');
      expect(header).toMatchObject({ confidence: 'checked', value: 'primary' });
      expect(value(header, 'DiskGUID')).toBe(id);
      expect(field(header, 'PartitionEntryArrayCRC32').meaning).toBe('right');
      const entries = named(structures, 'GPT entries');
      expect(entries).toMatchObject({ confidence: 'checked', value: '2 of 128 in use' });
      const [first] = partitions;
      expect(value(entries, 'entry 1', 'StartingLBA')).toBe(String(first!.start));
      expect(value(entries, 'entry 1', 'PartitionTypeGUID')).toBe(first!.type);
      expect(value(entries, 'entry 1', 'UniquePartitionGUID')).toBe(first!.uuid);
      expect(value(entries, 'entry 1', 'PartitionName')).toBe('"boot"');
      // A request with some of the entries: told by their place, but not checked.
      const some = named(await device.recognise(3 * 512, 512), 'GPT entries');
      expect(some).toMatchObject({ confidence: 'location', meaning: 'entries 5 to 8' });
      const end = await device.recognise(64 * MIB - 33 * 512, 33 * 512);
      expect(named(end, 'GPT header').value).toBe('backup');
      expect(named(end, 'GPT entries').confidence).toBe('checked');
    });
  });
});

describe('FAT as mkfs.fat makes it', () => {
  withPrograms(['mkfs.fat', 'blkid', 'mcopy']).each([
    [12, 1440 * 1024],
    [16, 32 * MIB],
    [32, 64 * MIB],
  ])('FAT%d (needs dosfstools, mtools)', async (width, size) => {
    const path = images.make(`fat${width}.img`, size);
    run('mkfs.fat', ['-F', String(width), '-n', 'BIOSCOPE', path]);
    run('mcopy', ['-i', path, '-', '::HELLO.TXT'], 'x'.repeat(3000));
    const report = run('fsck.fat', ['-n', '-v', path]);
    const { UUID, LABEL } = probed(path);
    await opened(path, async (device) => {
      const structures = await device.recognise(0, 128 * 1024);
      const boot = named(structures, `FAT${width} boot sector`);
      const serial = UUID!.replace('-', '').toLowerCase();
      expect(value(boot, 'BS_VolID')).toBe(`0x${serial}`);
      expect(value(boot, 'BS_VolLab')).toBe(JSON.stringify(LABEL));
      const sector = Number(value(boot, 'BPB_BytsPerSec'));
      expect(report).toContain(`${sector} bytes per logical sector`);
      expect(report).toContain(
        `${Number(value(boot, 'BPB_SecPerClus')) * sector} bytes per cluster`,
      );
      const clusters = /(\d+) data clusters|starts at byte \d+ .*\n\s*(\d+) data clusters/.exec(
        report,
      );
      expect(boot.meaning).toMatch(new RegExp(`^${clusters?.[1] ?? clusters?.[2]} clusters`));
      const table = named(structures, `FAT${width} table`);
      const start = /First FAT starts at byte (\d+)/.exec(report)?.[1];
      expect(table).toMatchObject({ offset: Number(start), confidence: 'location' });
      const page = table.children!()[0]!;
      const chain = page.children?.()[0]?.children ? page.children()[0]! : page;
      const used = (chain.children?.() ?? []).filter(({ meaning }) => /goes on|last/.test(meaning));
      expect(used.length).toBeGreaterThan(0);
      if (width === 32) {
        const free = Number(value(named(structures, 'FAT32 FSInfo'), 'FSI_Free_Count'));
        expect(report).toContain(`${Number(clusters?.[1] ?? clusters?.[2]) - free}/`);
      }
    });
  });

  withPrograms(['mkfs.exfat', 'blkid'])('exFAT (needs exfatprogs)', async () => {
    const path = images.make('exfat.img', 64 * MIB);
    run('mkfs.exfat', ['-L', 'bioscope', path]);
    const { UUID } = probed(path);
    await opened(path, async (device) => {
      const structures = await device.recognise(0, 64 * 1024);
      const boot = named(structures, 'exFAT boot sector');
      expect(boot.confidence).toBe('checked');
      expect(value(boot, 'VolumeSerialNumber')).toBe(`0x${UUID!.replace('-', '').toLowerCase()}`);
      expect(value(boot, 'VolumeLength')).toBe(String((64 * MIB) / 512));
      const fat = Number(value(boot, 'FatOffset')) * 512;
      const table = named(await device.recognise(fat, 4096), 'exFAT table');
      expect(table.confidence).toBe('location');
      const [first] = table.children!()[0]!.children!();
      expect(first).toMatchObject({ name: 'entry 0', value: '0xfffffff8' });
    });
  });
});

describe('file systems of other makers', () => {
  withPrograms(['mkntfs', 'ntfsinfo'])('NTFS, and records of its MFT (needs ntfs-3g)', async () => {
    const path = images.make('ntfs.img', 16 * MIB);
    run('mkntfs', ['-F', '-q', '-Q', '-L', 'bioscope', path]);
    const report = run('ntfsinfo', ['-m', path]);
    await opened(path, async (device) => {
      const boot = named(await device.recognise(0, 8192), 'NTFS boot sector');
      const { UUID } = probed(path);
      expect(value(boot, 'volume_serial_number')).toBe(`0x${UUID!.toLowerCase()}`);
      expect(value(boot, 'mft_lcn')).toBe(
        /LCN of Data Attribute for FILE_MFT: (\d+)/.exec(report)?.[1],
      );
      const cluster = Number(/Cluster Size: (\d+)/.exec(report)?.[1]);
      const records = await device.recognise(Number(value(boot, 'mft_lcn')) * cluster, 16384);
      expect(records).toHaveLength(16);
      for (const record of records) {
        expect(record).toMatchObject({
          name: 'NTFS MFT record',
          confidence: 'checked',
          check: 'fix-ups',
        });
      }
      const [mft, , , volume] = records;
      expect(value(mft!, '$FILE_NAME')).toBe('"$MFT"');
      expect(value(volume!, '$VOLUME_NAME', 'name')).toBe('"bioscope"');
      expect(value(mft!, 'mft_record_number')).toBe('0');
      expect(field(mft!, '$DATA').meaning).toMatch(
        new RegExp(`^cluster ${value(boot, 'mft_lcn')} \\+\\d+$`),
      );
    });
  });

  withPrograms(['mkfs.xfs', 'xfs_db'])('an XFS superblock (needs xfsprogs)', async () => {
    const path = images.make('xfs.img', 300 * MIB);
    run('mkfs.xfs', ['-q', '-L', 'bioscope', path]);
    const report = run('xfs_db', ['-r', '-c', 'sb 0', '-c', 'print', path]);
    const shown = (name: string) => new RegExp(`^${name} = (.*)$`, 'm').exec(report)?.[1];
    await opened(path, async (device) => {
      const superblock = named(await device.recognise(0, 4096), 'XFS superblock');
      expect(superblock.confidence).toBe('checked');
      expect(value(superblock, 'sb_uuid')).toBe(shown('uuid'));
      for (const name of ['blocksize', 'dblocks', 'agblocks', 'agcount', 'inodesize', 'fdblocks']) {
        expect(value(superblock, `sb_${name}`), name).toBe(shown(name));
      }
      expect(value(superblock, 'sb_fname')).toBe(shown('fname')?.replaceAll('\\000', ''));
      expect(field(superblock, 'sb_crc').meaning).toBe('right');
    });
  });

  withPrograms(['mkswap', 'blkid'])('a swap space (needs util-linux)', async () => {
    const path = images.make('swap.img', MIB);
    run('mkswap', ['-L', 'bioscope', path]);
    const { UUID, LABEL } = probed(path);
    await opened(path, async (device) => {
      const header = named(await device.recognise(0, 4096), 'Swap header');
      expect(value(header, 'sws_uuid')).toBe(UUID);
      expect(value(header, 'sws_volume')).toBe(JSON.stringify(LABEL));
      expect(field(header, 'last_page').meaning).toBe(`${MIB} bytes in all`);
    });
  });

  withPrograms(['genisoimage', 'isoinfo'])('ISO 9660 with Joliet (needs genisoimage)', async () => {
    const path = join(images.folder, 'disc.iso');
    const file = join(images.folder, 'hello.txt');
    const handle = await open(file, 'w');
    await handle.close();
    run('genisoimage', ['-quiet', '-J', '-V', 'BIOSCOPE', '-o', path, file]);
    const report = run('isoinfo', ['-d', '-i', path]);
    await opened(path, async (device) => {
      const structures = await device.recognise(32768, 16384);
      const primary = named(structures, 'ISO 9660 primary volume descriptor');
      expect(value(primary, 'Volume Identifier')).toBe('"BIOSCOPE"');
      expect(value(primary, 'Volume Space Size')).toBe(/Volume size is: (\d+)/.exec(report)?.[1]);
      expect(value(primary, 'Logical Block Size')).toBe('2048');
      const joliet = named(structures, 'ISO 9660 supplementary volume descriptor');
      expect(joliet).toMatchObject({ value: '"BIOSCOPE"', meaning: 'Joliet' });
      named(structures, 'ISO 9660 set terminator');
    });
  });
});

describe('LUKS as cryptsetup makes it', () => {
  const made = (type: string): string => {
    const path = images.make(`${type}.img`, 20 * MIB);
    const cost = ['--pbkdf', 'pbkdf2', '--pbkdf-force-iterations', '1000'];
    const key = ['--key-file', '-'];
    run('cryptsetup', ['luksFormat', '-q', '--type', type, ...cost, ...key, path], 'a passphrase');
    return path;
  };

  withPrograms(['cryptsetup'])('LUKS1 (needs cryptsetup)', async () => {
    const path = made('luks1');
    const dump = run('cryptsetup', ['luksDump', path]);
    await opened(path, async (device) => {
      const header = named(await device.recognise(0, 4096), 'LUKS1 header');
      expect(value(header, 'uuid')).toBe(JSON.stringify(/UUID:\s+(\S+)/.exec(dump)?.[1]));
      expect(value(header, 'payload-offset')).toBe(/Payload offset:\s+(\d+)/.exec(dump)?.[1]);
      expect(value(header, 'cipher-mode')).toBe(
        JSON.stringify(/Cipher mode:\s+(\S+)/.exec(dump)?.[1]),
      );
      expect(value(header, 'key-slot-1')).toBe('enabled');
      expect(value(header, 'key-slot-2')).toBe('disabled');
    });
  });

  withPrograms(['cryptsetup'])(
    'LUKS2, both headers and their digest (needs cryptsetup)',
    async () => {
      const path = made('luks2');
      const dump = run('cryptsetup', ['luksDump', path]);
      await opened(path, async (device) => {
        const structures = await device.recognise(0, 32768);
        expect(structures.map(({ value: place }) => place)).toEqual(['primary', 'backup']);
        for (const header of structures) {
          expect(header).toMatchObject({
            name: 'LUKS2 header',
            confidence: 'checked',
            length: 16384,
          });
          expect(value(header, 'uuid')).toBe(JSON.stringify(/UUID:\s+(\S+)/.exec(dump)?.[1]));
          expect(value(header, 'JSON area', 'keyslots', '0', 'type')).toBe('luks2');
        }
        // A header that arrives without its JSON area is told, but not checked.
        const cut = named(await device.recognise(0, 4096), 'LUKS2 header');
        expect(cut.confidence).toBe('magic');
      });
    },
  );
});

describe('LVM', () => {
  const bytes = golden('lvm-physical-volume', 3 * 4096);

  it('has the label and the metadata area that pvcreate wrote', () => {
    const structures = recognise(bytes, 0, noRegions);
    const label = named(structures, 'LVM label');
    expect(label).toMatchObject({ offset: 512, confidence: 'checked' });
    expect(value(label, 'pv_uuid')).toBe('B0n9qU-9ILK-AvXH-WDzy-fS2u-VeKN-tbtlFG');
    expect(value(label, 'device_size')).toBe(String(8 * MIB));
    expect(value(label, 'metadata_areas[0]', 'offset')).toBe('4096');
    const area = named(structures, 'LVM metadata area header');
    expect(area).toMatchObject({ offset: 4096, confidence: 'checked' });
    expect(value(area, 'raw_locns[0]', 'size')).toBe('703');
  });

  it('tells a label whose checksum is wrong', () => {
    const broken = bytes.slice();
    broken[0x230] = 0;
    expect(named(recognise(broken, 0, noRegions), 'LVM label').confidence).toBe('damaged');
  });
});
