Bpresent.0.decoder.valueJ@{–¿kTÀ:oÀÏ¶â¿…´¿F¼@I¨
@ÔZK¿ö¿3¦Š¿TO?NÓ> îÐ¿]™?Í`¿bÚ@