{
  'targets': [
    {
      'target_name': 'bioscope',
      'sources': [
        "<!@(find native/engine native/addon native/helper -path native/helper/program -prune -o -name '*.cpp' -print -o -name '*.c' -print | sort)"
      ],
      'include_dirs': ['<!(node -p "require(\'node-addon-api\').include_dir")'],
      'defines': ['NAPI_VERSION=8', 'NAPI_CPP_EXCEPTIONS', '_FILE_OFFSET_BITS=64'],
      'cflags': ['-O2', '-g', '-Wall', '-Wextra', '-pthread', '<!@(pkg-config --cflags fuse3)'],
      'cflags_c': ['-std=gnu17'],
      'cflags_cc': ['-std=c++20'],
      'cflags_cc!': ['-fno-exceptions', '-fno-rtti', '-std=gnu++17'],
      'libraries': ['<!@(pkg-config --libs fuse3)', '-pthread'],
      'ldflags': ['-Wl,--no-undefined-version']
    }
  ]
}
