Bencoder_hidden_statesJ@ÄÁœ¾×…=	g)¿šÅ5>ÞH?}G?<WáØ¼e·@ô‚¾¯KÄ¿%aF¾½?|tŠ?§
‰¿y³Û½ÚÐZ>