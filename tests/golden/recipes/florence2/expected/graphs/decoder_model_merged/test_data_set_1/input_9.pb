Bpast_key_values.1.decoder.valueJ@CŠ¿´lV?þNä?gH¾‹Ñ?%zì¿é«:Àˆ<¿W‘
¿ *e?ûëa¿È$?ÜÅ¿‚u1¾Zn:?Ñ¸i=