#include <span>

#include "tests/kernels/cases.h"
#include "tests/kernels/families.h"
#include "tests/kernels/row.h"

namespace vulcap::testing {
namespace {

constexpr const char* kRows[] = {
    // unary: every operator, then sizes, aliasing and special values
    "unary op={Identity;Neg;Abs;Exp;Erf;Tanh;Sigmoid;Relu;Gelu;GeluTanh;QuickGelu;Silu} low=-7 high=7 "
    "storage={f32;f16}",
    "unary op={Floor;Ceil;Sin;Cos;Sign;Clip;LeakyRelu;Softplus;HardSigmoid;HardSwish;Round;Elu} low=-7 "
    "high=7 "
    "storage={f32;f16}",
    "unary op={Sqrt;Reciprocal;Log} low=0.05 high=9 storage={f32;f16}",
    "unary op={Gelu;Tanh;Erf;GeluTanh} low=-0.01 high=0.01 tolerance=1e-5",
    "unary op={Gelu;Tanh;Erf;GeluTanh;Sigmoid;QuickGelu;Silu} low=-90 high=90",
    "unary op={Relu;Gelu} n={0;1;15;16;17;31;33;65537} storage={f32;f16}",
    "unary op={Relu;Tanh;Exp;Floor} n=131 inplace storage={f32;f16}",
    "unary op={Identity;Neg;Abs;Relu;Clip;Sqrt;Exp;Erf;Tanh;Sigmoid;Reciprocal} special n=257",
    "unary op={Acos;Asin;Atanh} low=-0.999 high=0.999 storage={f32;f16;bf16}",
    "unary op={Atan;Asinh;Sinh;Cosh;Celu;Selu;ThresholdedRelu;Shrink;Mish;Softsign} low=-7 high=7 "
    "storage={f32;f16;bf16}",
    "unary op={Acosh;Log;Sqrt} low=1 high=50 storage={f32;bf16}",
    "unary op={Atan;Asinh;Softsign;Softplus} low=-1e4 high=1e4",
    "unary op=Tan low=-1.4 high=1.4",
    "unary op={Sin;Cos} low=-1e3 high=1e3 tolerance=1e-4",
    "unary op={Floor;Ceil;Round;Sign;LeakyRelu;HardSigmoid;HardSwish;Elu} special n=257",
    "unary op={Identity;Neg;Abs;Relu;Sign;BitwiseNot} low=-99 high=99 "
    "storage={i8;i16;i32;i64;u8;u16;u32;u64}",
    "unary op={Neg;Abs;Relu;Sign;BitwiseNot} special n=67 storage={i32;i64;u64}",
    "unary "
    "op={Identity;Neg;Abs;Exp;Erf;Tanh;Sigmoid;Relu;Gelu;GeluTanh;QuickGelu;Silu;Floor;Ceil;Sin;Cos;Sign;"
    "Clip;"
    "LeakyRelu;Softplus;HardSigmoid;HardSwish;Round;Elu;Atan;Asinh;Cosh;Sinh;Celu;Selu;ThresholdedRelu;"
    "Shrink;Mish;"
    "Softsign} low=-7 high=7 storage=f64 tolerance=1e-9",
    "unary op={Acos;Asin;Atanh;Sinh;Tan} low=-0.999 high=0.999 storage=f64 tolerance=1e-9",
    "unary op={Acosh;Log;Sqrt;Reciprocal;Sin;Cos} low=1 high=5000 storage=f64 tolerance=1e-9",
    "unary op={Exp;Log;Sqrt;Relu;Erf;Atan;Sign} special n=257 storage=f64",
    "unary op=Shrink low=-9 high=9 storage=i32",
    // binary: operators, broadcasts, integers that overflow or divide by zero
    "binary op={Add;Sub;Mul;Div;Min;Max} shape={13;2,3,5;1,197,768} storage={f32;f16}",
    "binary op=Pow low=0.1 high=3 shape=3,17 storage={f32;f16}",
    "binary op=Pow low=-3 high=4 shape=7,11 storage={i32;i64}",
    "binary op={Add;Sub;Mul;Div;Min;Max} low=-99 high=99 shape=7,11 storage={i32;i64}",
    "binary op={Add;Sub;Mul;Div;Min;Max} special shape=7,31 storage={i32;i64}",
    "binary op={Add;Mul;Div;Min;Max} special shape=7,31",
    "binary op={Add;Sub;Div} shape=5,7,19 b={1;19;7,1;5,1,1;1,7,1;5,1,19} storage={f32;f16}",
    "binary op={Sub;Mul} shape=5,7,19 a={1;19;7,1;5,1,1;5,1,19} storage={f32;i64}",
    "binary op=Add shape=2,3,4,5,3,2 a=3,1,5,1,2 b=2,1,4,1,3,1",
    "binary op=Add shape={0;3,0,5;1} storage={f32;i64}",
    "binary op={Add;Mul} shape=37,41 inplace storage={f32;f16}",
    "binary op={Add;Sub;Mul;Div;Min;Max;Mod;Fmod;PRelu;BitwiseAnd;BitwiseOr;BitwiseXor} low=-99 high=99 "
    "shape=7,11 storage={i8;i16;i32;i64;u8;u16;u32;u64}",
    "binary op={Add;Sub;Mul;Div;Min;Max;Mod;Fmod} special shape=7,31 storage={u64;i64}",
    "binary op={ShiftLeft;ShiftRight} low=0 high=70 shape=7,11 storage={u8;u16;u32;u64}",
    "binary op=Pow low=0 high=6 shape=7,11 storage={u8;i16;u64}",
    "binary op={Add;Sub;Mul;Div;Min;Max;Fmod;PRelu} shape=5,7,19 b={5,7,19;7,1} storage={bf16;f64}",
    "binary op={Fmod;Mod;PRelu;Min;Max} shape=5,7,19 b={5,7,19;19} storage={f32;f16}",
    "binary op=Pow low=0.1 high=3 shape=3,17 storage={bf16;f64}",
    "binary op=Pow low=0.1 high=3 shape=3,17 b=1 storage={f32;f16}",
    "binary op=Pow low=-4 high=-1 shape=3,17 storage={f32;f64}",
    "binary op={Add;Mul;Min;Max} special shape=7,31 storage=f64",
    // compare, logic, where
    "compare op={Equal;Less;LessOrEqual;Greater;GreaterOrEqual} low=-2 high=3 shape=5,13 b={5,13;13;1} "
    "storage={f32;f16;i32;i64}",
    "compare op=Equal shape=5,13 storage=bool",
    "compare op={Equal;Less;LessOrEqual;Greater;GreaterOrEqual;NotEqual} low=-2 high=3 shape=5,13 "
    "b={5,13;5,1} "
    "storage={i8;i16;u8;u16;u32;u64;bf16;f64}",
    "compare op={Less;NotEqual} special shape=97 storage={f64;u64;bf16}",
    "compare op=Greater low=-2 high=3 shape=300,401 b=401 storage={f32;i64}",
    "compare op={Equal;Less} special shape=97 storage={f32;i64}",
    "logic op={And;Or;Xor} shape=5,13 b={5,13;13;1} storage=bool",
    "where shape=5,7,13 c={5,7,13;13;1;5,1,1;7,1} storage={f32;f16;i64;u8}",
    "where shape=5,7,13 a={1;13} b={1;7,1} storage={f32;i32}",
    "where shape={0;1;2,1} storage=f32",
    "where shape=5,13 a=13 storage={bf16;f64;i8;i16;u16;u32;u64;bool}",
    // copy: transposes, slices, reversals, tiles, appends to a cache
    "copy shape=13 in=1 out=1 storage={f32;f16;i64;u8}",
    "copy shape=17,23 in=1,17 out=23,1 storage={f32;f16;i64;u8}",
    "copy shape=33,65 in=1,33 out=65,1 storage={f32;f16}",
    "copy shape=3,12,197,16 in=37824,16,192,1 out=37824,3152,16,1 storage={f32;f16}",
    "copy shape=2,3,5,7 in=105,1,21,3 out=105,35,7,1 storage={f32;f16}",
    "copy shape=2,3,5,7 in=1,70,14,2 out=105,35,7,1",
    "copy shape=7,5 in=5,-1 out=5,1 storage={f32;u8}",
    "copy shape=7,5 in=-5,1 out=5,1 in_offset=30",
    "copy shape=7,5 in=5,1 out=-5,-1",
    "copy shape=4,3,5 in=0,5,1 out=15,5,1 storage={f32;i64}",
    "copy shape=4,3,2 in=2,0,1 out=6,2,1",
    "copy shape=3,2,2,2,3,5 in=120,60,30,15,5,1 out=1,3,6,12,24,72",
    "copy shape=5,3 in=7,1 out=9,1 in_offset=2 out_offset=4 storage={f32;f16}",
    "copy shape=2,1,8 in=8,8,1 out=160,8,1 out_dyn=8 state={0;1;7;19} storage={f32;f16}",
    "copy shape=1,8 in=8,1 out=8,1 in_dyn=8 state={0;5}",
    "copy shape=2,3 in=3,1 out=3,1 in_dyn=-3 out_dyn=6 in_offset=12 out_offset=1 state=2",
    "copy shape={0,2;3,0} in=2,1 out=2,1",
    "copy shape=1 in=0 out=0",
    // gather, iota, fill, cast
    "gather storage={f32;f16;i64;u8} second={i64;i32}",
    "gather outer=3 inner={1;7;64} axis=5 second={i64;i32} negative",
    "gather axis=1031 inner=768 indices=19",
    "gather axis=20 begin=5 end=13 indices=29 storage={f32;f16}",
    "gather indices=0",
    "gather outer=0",
    "iota storage={i64;i32;f32} n={0;1;17;300} start=-5 step=3",
    "iota storage={i64;i32;f32} n=9 start=2 dyn=1 state={0;11}",
    "iota storage=i64 n=5 step=-2",
    "fill storage={f32;f16;i64;u8} n={0;1;17;1031}",
    "cast storage={f32;f16;i32;i64;bool;u8} second={f32;f16;i32;i64;bool;u8} low=0 high=200",
    "cast storage={f32;f16;i32;i64} second={f32;f16;i32;i64;bool} low=-1000 high=1000",
    "cast storage=f32 second={f16;i32;i64;u8;bool} special n=517",
    "cast storage={i32;i64} second={f32;i32;i64} special n=517",
    "cast storage={bf16;f64;i8;i16;u16;u32;u64} second={f32;f16;bf16;f64;i8;i16;i32;i64;bool;u8;u16;u32;u64} "
    "low=-99 high=99",
    "cast storage={f32;f16;i32;i64;bool;u8} second={bf16;f64;i8;i16;u16;u32;u64} low=-99 high=99",
    "cast storage={f32;f64;bf16} second={bf16;f32;i8;i16;i32;i64;u8;u16;u32;u64;bool} special n=517",
    "cast storage={i64;u64} second={f32;i32;u64;i64;u8;i16} special n=517",
    "cast storage=i64 second={f32;i32;bool} n=40001 low=-9 high=9",
    "cast storage={f32;f16;bf16;i8;i16;i32;i64;u8;u16;u32;u64} "
    "second={f8e4m3fn;f8e4m3fnuz;f8e5m2;f8e5m2fnuz;f8e8m0;f4e2m1;u4;i4;u2;i2} low=-9 high=9 n=68",
    "cast storage={f32;f16} second={f8e4m3fn;f8e4m3fnuz;f8e5m2;f8e5m2fnuz;f4e2m1} low=-600 high=600 "
    "flags={0;1} n=1032",
    "cast storage=f32 second={f8e4m3fn;f8e5m2fnuz} low=-0.01 high=0.01 n=1032",
    "cast storage=f32 second={f8e5m2;f8e4m3fn;f8e5m2fnuz;f8e8m0;f4e2m1;u4;i4;u2;i2} special flags={0;1} "
    "n=516",
    "cast storage=f32 second=f8e8m0 low=0 high=9 flags={0;1;2;4;5} n=516",
    "cast storage={f8e4m3fn;f8e4m3fnuz;f8e5m2;f8e5m2fnuz;f8e8m0;f4e2m1;u4;i4;u2;i2} "
    "second={f32;f16;bf16;i8;u8;i32;bool} low=-9 high=9 n=67",
    "cast storage={f8e4m3fn;f8e4m3fnuz;f8e5m2;f8e5m2fnuz} second={f32;f16} special n=517",
    "cast storage=f32 second=f16 low=-1e-5 high=1e-5",
    "cast storage=f32 second=f16 low=-70000 high=70000 n={1;40001}",
    // matmul: shapes of the models, awkward primes, epilogues, layouts, batches
    "matmul m={1;2;3;4;5;11;12;13;65;197} n={1;31;33;64} k=29",
    "matmul m={1;3;7;13} n=37 k={1;2;3;17;130} transb storage={f32;f16}",
    "matmul m={1;4;19;241} n=67 k=97 second=f16 storage={f32;f16}",
    "matmul m={1;17} n=67 k=97 storage=f16 second=f32",
    "matmul m=13 n=37 k=19 act={none;gelu;gelu_tanh;relu;quick_gelu;silu;tanh;sigmoid} bias residual "
    "storage={f32;f16}",
    "matmul m=5 n=70 k=16 alpha=0.125 {bias;rowbias;residual;rowbias residual;bias act=gelu residual "
    "inplace}",
    "matmul m=250 n=40 k=24 rowbias act=relu residual storage={f32;f16}",
    "matmul m=9 n=35 k=8 pad_a=3 pad_b=5 pad_c=2 column=7 a_offset=11 bias residual {share_a;transb}",
    "matmul batch=5 m=7 n=33 k=12 {bias;share_a;share_b;share_a share_b;transb;residual inplace} "
    "storage={f32;f16}",
    "matmul batch=12 m=65 n=65 k=32 transb alpha=0.17",
    "matmul batch=12 m=65 n=32 k=65",
    "matmul m=3 n=37 k=2100 bias second={f32;f16}",
    "matmul m=26 n=40 k=1025 bias residual act=gelu",
    "matmul m=197 n=96 k=768 bias act=gelu",
    "matmul m=1 n=4099 k=64 {transb;bias}",
    "matmul {m=0;n=0;k=0;batch=0} bias",
    "matmul m={1;7} n=5 k={0;9} batch=2 {transb;share_b} low=-9 high=9 storage={i32;i64}",
    "matmul m=3 n=5 k=9 {transb bias;rowbias residual} alpha=0.5 storage=f64",
    "matmul m=2 n=3 k=0 residual act=sigmoid",
    // softmax, layer_norm, reduce
    "softmax rows={1;7} cols={1;5;16;17;197;1031} storage={f32;f16} low=-9 high=9",
    "softmax rows=5 cols=37 log storage={f32;f16} low=-9 high=9",
    "softmax rows=5 cols=37 low=-300 high=300 {log;inplace}",
    "softmax rows=4 cols={9;33} masked",
    "softmax rows=4 cols=33 special",
    "softmax {rows=0;cols=0}",
    "layer_norm rows={1;7} cols={1;16;17;128;768} bias storage={f32;f16}",
    "layer_norm rows=5 cols=67 {skip;skip bias sum;bias;rms;rms skip sum;sum} epsilon=1e-12 "
    "storage={f32;f16}",
    "layer_norm rows=3 cols=768 low=99 high=101 bias",
    "layer_norm rows=300 cols=768 skip sum bias",
    "layer_norm rows=0",
    "layer_norm rows=6 cols=35 {noscale;noscale rms;moments bias;moments noscale;given bias;given noscale}",
    "layer_norm rows=6 cols=35 period=3 step={1;5} inner=7 {bias;noscale bias;given bias;skip sum} "
    "storage={f32;f16}",
    "layer_norm rows=10 cols=1 period=5 inner=1 given bias",
    "reduce op={0;1;2;3;4;5;6;7;9} outer={1;3} reduce={1;17;64} inner={1;5} storage={f32;f16} low=-1.5 "
    "high=1.5",
    "reduce op=8 reduce=9 low=0.1 high=2 storage={f32;f16}",
    "reduce op={0;2;3} reduce=9 low=-50 high=50 storage={i32;i64} inner=3",
    "reduce op={0;2} reduce=0",
    "reduce op={2;3} special outer=31 reduce=5",
    "reduce op={0;1} outer=2 reduce=197 inner=768",
    // attention: prefill, decode, grouped heads, masks, beams, growing caches
    "attention q={1;2;5;13;65} kv={1;7;65} d={12;16;64} storage={f32;f16}",
    "attention q=197 kv=197 heads=3 d=64 storage={f32;f16}",
    "attention q=1 kv={1;31;600} heads=12 d=64 storage={f32;f16}",
    "attention q={5;17} kv={5;17;33} causal d=32 bhsd",
    "attention q={1;4;9} kv=40 kv_heads=2 heads=6 d=20 v=36 offset=8",
    "attention q={2;9} kv=23 mask={full;row} batch=2 storage={f32;f16}",
    "attention q={2;9} kv=23 mask={full;row} allmasked",
    "attention q={1;3} kv=1 dyn=1 state={0;1;30} causal spare=9 bhsd",
    "attention q=6 kv=6 dyn=1 state=5 causal spare=3",
    "attention q={1;5} kv=19 batch=4 rows spare=2 storage={f32;f16}",
    "attention q={1;5;19} kv=19 batch=3 rows causal padded={1;7;19} softcap={0;5} storage={f32;f16}",
    "attention q={1;9} kv=19 batch=6 group=3 storage={f32;f16}",
    "attention q=17 kv=3 causal",
    "attention q={1;5} kv=0",
    "attention q=3 kv=11 d=128 v=128 scale=1",
    "attention q={1;9} kv=23 softcap=1.5 mask={none;full} storage={f32;f16}",
    "attention q={1;3;17} kv=37 batch=3 lengths storage={f32;f16}",
    "attention q={1;3;17} kv=37 batch=3 lengths causal new_keys={17;37} storage={f32;f16}",
    "attention q={1;3;17} kv=37 batch=3 lengths counted causal window={0;1;9} d=8",
    "attention q={1;13;40} kv=40 causal window={1;7;39;50} kv_heads=1",
    "rotary ids={none;own;first} storage={f32;f16}",
    "rotary ids={own;first} second=i32 interleaved rotary=4 bhsd shift=-2",
    "rotary s={0;1;17} d=20 rotary=12 rows=40 offset=8 bhsd",
    "linear_attention decay={none;head;key} past storage={f32;f16}",
    "linear_attention decay={none;key} delta {past;shared} s={0;1;9} kv_heads=4 d=16",
    "kv_update storage={f32;f16;i64;u8}",
    "kv_update lengths batch=3 new={1;3} past={0;5} total={5;8} storage={f32;u8}",
    // windows: im2col, conv, pool; resize, deform
    "im2col kernel={1,1;3,3;2,5} stride={1,1;2,3} pad={0,0;1,2} storage={f32;f16}",
    "im2col kernel=3,3 dilation=2,2 pad=2,2 h=9 w=11 batch=2",
    "im2col kernel=3,3 channels=2 total=5 first=3 pad=1,1",
    "im2col kernel=16,16 stride=16,16 channels=3 h=224 w=224 storage={f32;u8}",
    "im2col kernel=2,3,2 stride=2,1,2 pad=1,0,1 d=4",
    "im2col kernel=3 stride=2 pad=1 h=1 w=31 channels=5",
    "im2col kernel=3,3 pad=-1,-1 h=9 w=8",
    "conv groups={1;3} in={1;4} out={1;5} kernel=3,3 pad=1,1 bias storage={f32;f16}",
    "conv groups=7 kernel={3,3;5,5;7,7} pad=3,3 stride={1,1;2,2;3,1} h=19 w=37 bias act=relu",
    "conv groups=4 kernel=7,7 pad=3,3 h=14 w=14 batch=2 bias storage={f32;f16}",
    "conv groups=2 in=3 out=2 kernel=2,3,2 dilation=1,2,1 stride=1,2,2 pad=1,2,0 d=5 h=9 w=8",
    "conv groups=5 kernel=9 dilation=3 pad=12 h=1 w=150 act={gelu;silu}",
    "conv groups=3 kernel=1,1 in=2 h=1 w=1",
    "conv groups=2 kernel=3,3 pad=-1,-1 h=9 w=8",
    "conv groups=2 kernel=3,3 batch=0",
    "pool op={0;1;2} kernel=3,3 stride={1,1;2,2} pad=1,1 h=13 w=17 storage={f32;f16}",
    "pool op=0 kernel={3,3;2,3,2} pad=1,1 dilation=2,2 h=11 w=9 {indices;indices columns} "
    "storage={f32;u8;i8}",
    "pool op={0;1;2} kernel=3 stride=2 pad=1 h=1 w=31 power=3",
    "pool op=1 kernel=3,3 pad=1,1 stride=2,2 end=2,2 {countpads;dilation=2,2 countpads;dilation=2,1}",
    "pool op=0 kernel=2,2 special indices",
    "pool op=1 kernel=7,7 h=7 w=7 planes=37 storage={f32;f16}",
    "pool planes=0",
    "resize outer=3 size=7 out={1;5;13} inner={1;9;70} taps={1;2;4;9} storage={f32;f16}",
    "resize outer=1 size=64 out=31 inner=129 taps=2",
    "resize outer=0",
    "deform kernel=3,3 pad=1,1 channels=4 groups=2 {masked;stride=2,2} storage={f32;f16}",
    "deform kernel=2,3 dilation=2,1 h=9 w=6 batch=2 masked low=-5 high=5",
    "deform kernel=1,1",
    // recurrent cells
    "cell kind=0 acts={0,1,1;1,1,1;2,1,1;3,1,1;4,1,1;5,1,1;6,1,1;7,1,1;8,1,1;9,1,1;10,1,1}",
    "cell kind={1;2;3} flags={0;1;2;3;64} storage={f32;f16}",
    "cell kind=1 flags={8;16;27} hidden=33",
    "cell kind=2 flags={32;34} step=3 batch=1",
    "cell kind=1 batch=0",
};

}  // namespace

std::vector<KernelCase> kernel_cases() {
  std::vector<KernelCase> cases;
  for (const std::span<const char* const> rows :
       {std::span<const char* const>(kRows), movement_rows(), quantised_rows()}) {
    for (const char* row : rows) {
      for (const auto& text : expand_row(row)) cases.push_back(make_case(text));
    }
  }
  return cases;
}

}  // namespace vulcap::testing
