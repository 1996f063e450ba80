"""Writes golden/tokenizer_stages/stages.json: what Hugging Face tokenizers 0.22.2 answers for every stage type.

Usage: python make_stages.py OUT.json   (needs: pip install tokenizers==0.22.2)
"""
import json, sys
import tokenizers
from tokenizers import Tokenizer
BS=list(range(33,127))+list(range(161,173))+list(range(174,256))
m={};n=0
for b in range(256):
    if b in BS: m[b]=chr(b)
    else: m[b]=chr(256+n); n+=1
byte_vocab={m[b]:b for b in range(256)}
extra=["he","Ġt","th","the","in","er","Ġthe","an","ĠĠ"]
merges=[["h","e"],["Ġ","t"],["t","h"],["t","he"],["i","n"],["e","r"],["Ġt","he"],["a","n"],["Ġ","Ġ"]]
for i,e in enumerate(extra): byte_vocab[e]=256+i
BYTE_MODEL={"type":"BPE","dropout":None,"unk_token":None,"continuing_subword_prefix":None,"end_of_word_suffix":None,"fuse_unk":False,"byte_fallback":False,"ignore_merges":False,"vocab":byte_vocab,"merges":merges}
def chars_model(**kw):
    v={"<unk>":0}
    for c in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ .,!?-'\"0123456789é̈▁ß":
        v.setdefault(c,len(v))
    mg=[]
    for a,b in [("t","h"),("th","e"),("a","n"),("i","n"),("▁","t"),("▁","the"),("l","l"),("l","ll"),("h","e")]:
        if a+b not in v: v[a+b]=len(v)
        mg.append(a+" "+b)
    d={"type":"BPE","dropout":None,"unk_token":"<unk>","continuing_subword_prefix":None,"end_of_word_suffix":None,"fuse_unk":False,"byte_fallback":False,"ignore_merges":False,"vocab":v,"merges":mg}
    d.update(kw); return d
TEXTS=["","Hello, the world!"," then  there were 12345 and 3.14 ","a\tb\r\nc\n\n d","don't stop--now...  'quoted' (x)_y","café Cafe\u0301 naïve Å \u212b ﬁ ② ½ x²","今天天气很好，the 東京","한국어 각 \u1100\u1161\u11a8","İstanbul ẞ ΣΊΣ ǅ","q\u0323\u0307 q\u0307\u0323 \u0344 a\u0345\u0300","nbsp\u00a0em\u2003zero\u200bjoin\u200dend\ufeff","🙂👩‍👧 e\u0301🇩🇪 ﷺ ㍿ ㈎","x-the-y--z ---","<s>the</s> <mask> the<mask>the","\u0378\ufffe\ufffd\u0001ctl\u009f","ªº ⓐ Ⅷ ٣ _a‿b","the the\u2028the\u2029the","ll lll llll lllll aaaan theee"]
ST={}
def add(name,model=None,normalizer=None,pre=None,post=None,dec=None,added=()):
    size=len((model or BYTE_MODEL)["vocab"]); known=(model or BYTE_MODEL)["vocab"]; known=known if isinstance(known,dict) else {}
    added=[dict(a,id=known.get(a["content"],size+i)) for i,a in enumerate(added)]
    ST[name]={"version":"1.0","truncation":None,"padding":None,"added_tokens":list(added),"normalizer":normalizer,"pre_tokenizer":pre,"post_processor":post,"decoder":dec,"model":model or BYTE_MODEL}
BL=lambda **k:{"type":"ByteLevel","add_prefix_space":False,"trim_offsets":True,"use_regex":True,**k}
BLN=BL(use_regex=False)
seq=lambda *p:{"type":"Sequence","pretokenizers":list(p)}
DEC=BL()
for f in ["NFC","NFD","NFKC","NFKD","Lowercase","StripAccents","ByteLevel"]:
    add("normalizer "+f,normalizer={"type":f},pre=BLN if f!="ByteLevel" else None,dec=DEC)
add("normalizer NFD+StripAccents",normalizer={"type":"Sequence","normalizers":[{"type":"NFD"},{"type":"StripAccents"},{"type":"Lowercase"}]},pre=BL(),dec=DEC)
for l in (True,False):
    for r in (True,False):
        add(f"normalizer Strip {l} {r}",normalizer={"type":"Strip","strip_left":l,"strip_right":r},pre=BL(),dec=DEC)
add("normalizer Replace string",normalizer={"type":"Replace","pattern":{"String":"the"},"content":"THESE"},pre=BL(),dec=DEC)
add("normalizer Replace removes",normalizer={"type":"Replace","pattern":{"Regex":"[aeiou]+"},"content":""},pre=BL(),dec=DEC)
add("normalizer Replace regex",normalizer={"type":"Replace","pattern":{"Regex":"\\s+|\\d{2,}"},"content":"<>"},pre=BL(),dec=DEC)
add("normalizer Prepend",normalizer={"type":"Prepend","prepend":"▁x"},pre=BL(),dec=DEC)
for cl in (True,False):
    for cj in (True,False):
        add(f"normalizer Bert {cl} {cj}",normalizer={"type":"BertNormalizer","clean_text":cl,"handle_chinese_chars":cj,"strip_accents":None,"lowercase":cl},pre=BL(),dec=DEC)
for a in (True,False):
    for t in (True,False):
        for u in (True,False):
            add(f"pre ByteLevel {a} {t} {u}",pre=BL(add_prefix_space=a,use_regex=u),post=BL(add_prefix_space=a,trim_offsets=t),dec=DEC)
for beh in ["Removed","Isolated","MergedWithPrevious","MergedWithNext","Contiguous"]:
    for inv in (False,True):
        add(f"pre Split string {beh} {inv}",pre=seq({"type":"Split","pattern":{"String":"-"},"behavior":beh,"invert":inv},BLN),dec=DEC)
        add(f"pre Split regex {beh} {inv}",pre=seq({"type":"Split","pattern":{"Regex":"\\s+|\\p{P}"},"behavior":beh,"invert":inv},BLN),dec=DEC)
    add(f"pre Punctuation {beh}",pre=seq({"type":"Punctuation","behavior":beh},BLN),dec=DEC)
for d in (True,False): add(f"pre Digits {d}",pre=seq({"type":"Digits","individual_digits":d},BLN),dec=DEC)
for p in ["Whitespace","WhitespaceSplit","BertPreTokenizer"]: add("pre "+p,pre=seq({"type":p},BLN),dec=DEC)
add("pre CharDelimiterSplit",pre=seq({"type":"CharDelimiterSplit","delimiter":"e"},BLN),dec=DEC)
RX=["(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
 " ?[^(\\s|[.,!?…。，、।۔،])]+","\\w+|[^\\w\\s]+","\\p{N}{1,3}+|\\h+|.","^.|x$|\\bthe\\b","[[:alpha:]]+|[\\u00e0-\\u00ff]","(?:l{2})+|(?<=t)h","[^\\S\\n]+|\\W","(a|e)\\1*|",
 "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
 "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"]
for i,r in enumerate(RX): add(f"regex {i}",pre=seq({"type":"Split","pattern":{"Regex":r},"behavior":"Isolated","invert":False},BLN),dec=DEC)
MS=lambda s,sp:{"type":"Metaspace","replacement":"▁","prepend_scheme":s,"split":sp}
for s in ("always","first","never"):
    for sp in (True,False):
        add(f"Metaspace {s} {sp}",model=chars_model(),pre=MS(s,sp),dec=MS(s,sp),added=[{"id":1000,"content":"<mask>","single_word":False,"lstrip":False,"rstrip":False,"normalized":False,"special":True}])
add("BPE fuse_unk",model=chars_model(fuse_unk=True),dec={"type":"Fuse"})
add("BPE no unk",model=chars_model(unk_token=None))
mm=chars_model(); v=dict(mm["vocab"]); 
for b in range(256): v.setdefault("<0x%02X>"%b,len(v)+2000)
mm=dict(mm,vocab=v,byte_fallback=True)
add("BPE byte_fallback",model=mm,dec={"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":1}]})
add("BPE ignore_merges",model=chars_model(ignore_merges=True),pre={"type":"Whitespace"})
pv={"<unk>":0}
for c in "abcdehintlrs": pv[c]=len(pv); 
for c in "abcdehintlrs": pv["##"+c]=len(pv)
for c in "abcdehintlrs": pv[c+"</w>"]=len(pv); pv["##"+c+"</w>"]=len(pv)
for t in ["th","the</w>","##ll"]: pv[t]=len(pv)
add("BPE prefix suffix",model={"type":"BPE","dropout":None,"unk_token":"<unk>","continuing_subword_prefix":"##","end_of_word_suffix":"</w>","fuse_unk":False,"byte_fallback":False,"ignore_merges":False,"vocab":pv,"merges":["t ##h","th ##e</w>","##l ##l"]},pre={"type":"Whitespace"},dec={"type":"BPEDecoder","suffix":"</w>"})
AT=lambda c,i,**k:{"id":i,"content":c,"single_word":False,"lstrip":False,"rstrip":False,"normalized":False,"special":False,**k}
for nz in (None,{"type":"Lowercase"},{"type":"Prepend","prepend":"the "}):
  add(f"added {nz}",normalizer=nz,pre=BL(),dec=DEC,post=BL(trim_offsets=False),added=[AT("<s>",300,special=True),AT("</s>",301,special=True,rstrip=True),AT("<mask>",302,lstrip=True,special=True),AT("The",303,normalized=True,single_word=True),AT("  ",304,normalized=True),AT("world",305,single_word=True),AT("wor",306),AT("ll",307,normalized=True),AT("ll ll",308),AT("...",309,lstrip=True,rstrip=True)])
wv={"[UNK]":0,"[CLS]":1,"[SEP]":2}
for t in ["the","##re","##n","th","##e","a","##a","##an","x","y","z","-",",",".","!","hello","world","##o","q","cafe","café"]: wv[t]=len(wv)
T=lambda s:{"SpecialToken":{"id":s,"type_id":0}}
add("WordPiece",model={"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":6,"vocab":wv},normalizer={"type":"Lowercase"},pre={"type":"BertPreTokenizer"},post={"type":"BertProcessing","sep":["[SEP]",2],"cls":["[CLS]",1]},dec={"type":"WordPiece","prefix":"##","cleanup":True},added=[AT("[CLS]",1,special=True)])
uv=[["<unk>",0.0]]+[[c,-3.0-0.01*i] for i,c in enumerate("abcdefghilnorstuvwxyz▁.,-")]+[["▁the",-2.5],["the",-4.0],["an",-3.5],["ll",-4.5],["lll",-5.0]]
add("Unigram",model={"type":"Unigram","unk_id":0,"vocab":uv,"byte_fallback":False},pre=MS("always",True),dec=MS("always",True),post={"type":"TemplateProcessing","single":[{"Sequence":{"id":"A","type_id":3}}],"pair":[{"Sequence":{"id":"B","type_id":1}},{"Sequence":{"id":"A","type_id":0}}],"special_tokens":{}})
ub=uv+[["<0x%02X>"%b,-10.0] for b in range(256)]
add("Unigram byte_fallback",model={"type":"Unigram","unk_id":0,"vocab":ub,"byte_fallback":True},pre=MS("first",False),dec={"type":"Sequence","decoders":[{"type":"ByteFallback"},MS("first",False)]})
add("normalizer Nmt",normalizer={"type":"Nmt"},pre=BL(),dec=DEC)
for n in (1,3): add(f"pre FixedLength {n}",pre=seq({"type":"FixedLength","length":n},BLN),dec=DEC)
wl={"<unk>":0}
for t in ["the","there","Hello","world","x","a","-",",","!",".","then","naïve","ll","lll"]: wl[t]=len(wl)
add("WordLevel",model={"type":"WordLevel","vocab":wl,"unk_token":"<unk>"},pre={"type":"Whitespace"},dec={"type":"WordPiece","prefix":"##","cleanup":False})
for c in (True,False): add(f"decoder CTC {c}",model=chars_model(),dec={"type":"CTC","pad_token":"l","word_delimiter_token":"e","cleanup":c})
out=[]
for name,j in ST.items():
    try: t=Tokenizer.from_str(json.dumps(j))
    except Exception as e: print("REF REFUSES",name,e); continue
    cs=[]
    for i,x in enumerate(TEXTS):
        e=t.encode(x); pr=None
        c={"text":x,"ids":e.ids,"offsets":[list(o) for o in e.offsets],"word_ids":e.word_ids}
        try: c["decode"]=t.decode(e.ids)
        except BaseException as ex: pass
        cs.append(c)
    e=t.encode("the one","and two")
    out.append({"name":name,"tokenizer":j,"cases":cs,"pair":{"ids":e.ids,"type_ids":e.type_ids,"sequence_ids":e.sequence_ids}})
# share the byte model
for o in out:
    if o["tokenizer"]["model"] is BYTE_MODEL: o["tokenizer"]=dict(o["tokenizer"],model="byte_model")

d={"reference":"tokenizers "+tokenizers.__version__,"byte_model":BYTE_MODEL,"stages":out}
s=lambda o:json.dumps(o,ensure_ascii=False,separators=(",",":"))
with open(sys.argv[1],"w") as f:
    f.write('{"reference":%s,\n"byte_model":%s,\n"stages":[\n'%(s(d["reference"]),s(BYTE_MODEL))+",\n".join(s(o) for o in out)+"\n]}\n")
print(len(out))
